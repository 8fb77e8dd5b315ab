"""What the store refuses to start on, and what it insists on whatever the URL says."""

import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.read_concern import ReadConcern

from actors.runtime.envelope import Unavailable
from scripts.embedded.binaries import find_mongod
from scripts.embedded.child import Child
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.ports import held_port
from storage.mongo.connect import NotAReplicaSet, connected, kept, reachable


@asynccontextmanager
async def lone_mongod(directory: Path) -> AsyncIterator[str]:
    """A mongod that is no member of a set."""
    with held_port() as port:
        options = ["--dbpath", str(directory), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
        server = Child("mongod", [str(find_mongod().path), *options], directory / "mongod.log")
        server.start()
        try:
            yield f"mongodb://127.0.0.1:{port}/"
        finally:
            server.kill()


async def test_a_lone_mongod_is_refused(tmp_path: Path) -> None:
    async with lone_mongod(tmp_path) as url:
        with pytest.raises(NotAReplicaSet, match="replica set"):
            async with connected(url):
                pass


async def test_the_url_cannot_weaken_what_is_kept(mongo: ReplicaSet, database: str) -> None:
    weak = f"{mongo.url}&w=0&journal=false&readConcernLevel=local&readPreference=secondary"
    async with connected(weak, database=database) as db:
        collection = kept(db, "event_log")
        assert collection.write_concern.document == {"w": "majority", "j": True}
        assert collection.read_concern == ReadConcern("majority")
        assert collection.read_preference.name == "Primary"


async def test_times_come_back_as_utc(mongo: ReplicaSet, database: str) -> None:
    at = datetime(2026, 3, 8, 2, 30, tzinfo=UTC)
    async with connected(mongo.url, database=database) as db:
        await db.times.insert_one({"_id": 1, "at": at})
        found = await db.times.find_one({"_id": 1})
    assert found is not None
    assert found["at"] == at
    assert found["at"].tzinfo is UTC


async def test_the_database_is_the_url_s_else_ours(mongo: ReplicaSet) -> None:
    async with connected(mongo.url) as db:
        assert db.name == "lifebuddy"
    async with connected(mongo.url.replace("/?", "/other?")) as db:
        assert db.name == "other"


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the driver drops a socket it was still connecting
async def test_no_server_is_said_within_the_time_limit() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ServerSelectionTimeoutError):
        async with connected(f"mongodb://127.0.0.1:{port}/?replicaSet=lifebuddy"):
            pass
    gc.collect()


def test_trouble_on_the_way_is_unavailable_and_keeps_its_cause() -> None:
    with pytest.raises(Unavailable) as refusal, reachable():
        raise ServerSelectionTimeoutError("nobody there")
    assert isinstance(refusal.value.__cause__, ServerSelectionTimeoutError)
    assert refusal.value.effect == "none"
