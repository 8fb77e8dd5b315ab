"""The composition root: what it joins works together, and the node says of itself how much waits."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from actors.domain.addresses import session_address
from actors.questions import Wake
from config.settings import read_settings, without_settings
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import Valkey
from server import RECOVERIES, Inside, open_doors, open_storage, report, run_inside
from storage.opened import Storage
from storage.redis.membership import node_key
from storage.redis.placement import place_key
from tests.conftest import StartValkey
from tests.deploy.alerts import ASKED
from tests.transport.sockets.devices import eventually

ANN = {"email": "ann@example.org", "password": "a long sentence is best", "name": "Ann"}


@dataclass
class Node:
    storage: Storage
    inside: Inside
    http: aiohttp.ClientSession
    errors: Counter[str]

    async def metrics(self) -> dict[str, float]:
        """Every sample by its name and labels, as a scrape reads them."""
        async with self.http.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    async def shown(self) -> set[str]:
        """The names of all metrics, whether or not they have a sample yet."""
        async with self.http.get("/metrics") as response:
            return set(re.findall(r"^# TYPE (\S+) ", await response.text(), re.MULTILINE))

    async def sign_up(self) -> dict[str, str]:
        async with self.http.post("/v1/auth/register", json=ANN) as response:
            entered: dict[str, str] = await response.json()
        assert response.status == 201, entered
        return entered


@asynccontextmanager
async def node(mongo: ReplicaSet, database: str, valkey: Valkey, directory: Path) -> AsyncIterator[Node]:
    with held_port() as port:
        settings = read_settings(
            profile="test",
            mongo_url=mongo.url,
            mongo_database=database,
            redis_url=valkey.url,
            data=directory,
            port=port,
        )
        errors: Counter[str] = Counter()
        async with (
            open_storage(settings) as storage,
            run_inside(settings, storage) as inside,
            open_doors(settings, storage, inside, errors),
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
        ):
            yield Node(storage, inside, http, errors)


@pytest.fixture(autouse=True)
def configured_by_the_test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(without_settings()):
        monkeypatch.delenv(name)


async def test_metrics_say_how_much_is_awake_and_how_much_waits(
    mongo: ReplicaSet, database: str, start_valkey: StartValkey, tmp_path: Path
) -> None:
    valkey = await start_valkey()
    async with node(mongo, database, valkey, tmp_path) as ours:
        await ours.sign_up()
        rested, shown = await ours.metrics(), await ours.shown()
        valkey.freeze()  # who wakes now waits for its place, and its messages with it
        try:
            for _ in range(3):
                ours.inside.directory.session("bo").tell(Wake())
            ours.errors["redis.unreachable"] += 1
            async with ours.http.get("/readyz") as response:
                assert response.status == 503
            asleep = await ours.metrics()
        finally:
            valkey.thaw()
    assert (rested["actors_awake"], rested["messages_waiting"]) == (1, 0)
    assert (asleep["actors_awake"], asleep["messages_waiting"]) == (2, 3)
    assert (asleep['part_down{where="redis"}'], asleep['part_down{where="mongo"}']) == (1, 0)
    assert asleep['log_errors_total{event="redis.unreachable"}'] == 1
    assert not any(name.startswith("log_errors") for name in rested)
    of_others = {"model_breaker", "jobs_oldest_seconds"}  # there is no model here, and workers tell of jobs
    assert {name.removesuffix("_bucket") for name in ASKED} - of_others <= shown, "alerts ask for them"
    assert {'writes_waiting{where="event_log 0"}', 'writes_waiting{where="goals"}'} <= rested.keys()


async def test_a_session_that_another_node_took_over_is_not_served_here_any_more(
    mongo: ReplicaSet, database: str, valkey: Valkey, tmp_path: Path
) -> None:
    async with node(mongo, database, valkey, tmp_path) as ours, Redis.from_url(valkey.url) as redis:
        entered = await ours.sign_up()
        address = session_address(entered["user_id"])
        await redis.set(node_key("other"), b"live")
        await redis.set(place_key(address), b"other")
        await redis.delete(node_key(ours.storage.membership.node))
        await ours.storage.membership.refresh()
        await eventually(lambda: address not in ours.inside.system)
        async with ours.http.get("/v1/me", headers={"Authorization": f"Bearer {entered['access_token']}"}) as response:
            problem = await response.json()
    assert (response.status, problem["code"], problem["effect"]) == (503, "unavailable", "none")


def test_an_argument_is_refused_not_swallowed() -> None:
    """A typing error in `scripts/run --prot 9000` must not start a server on another port."""
    started = subprocess.run(
        [sys.executable, "server.py", "--prot", "9000"], capture_output=True, text=True, check=False
    )
    assert started.returncode == 1
    assert "--prot" in started.stderr
    assert "Traceback" not in started.stderr


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    nowhere = {
        "LIFEBUDDY_MONGO_URL": "mongodb://ann:secret@127.0.0.1:1/",
        "LIFEBUDDY_REDIS_URL": "redis://127.0.0.1:1",
        "LIFEBUDDY_DATA": str(tmp_path),
    }
    started = subprocess.run(
        [sys.executable, "server.py"], capture_output=True, text=True, check=False, env={**os.environ, **nowhere}
    )
    assert started.returncode == 1
    assert "MongoDB does not answer" in started.stderr
    assert "secret" not in started.stderr


def test_what_is_well_again_is_no_error() -> None:
    """Each name is one that something reports by."""
    root = Path(__file__).parents[1]
    written = "".join(path.read_text() for part in ("storage", "transport") for path in (root / part).rglob("*.py"))
    assert all(f'"{name}"' in written for name in RECOVERIES)
    with capture_logs() as lines:
        report("store.trouble", {"lane": "heads"})
        report("store.recovered", {"lane": "heads"})
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("store.trouble", "error"),
        ("store.recovered", "info"),
    ]
