"""A person's data as a file: made by workers that die, lose their queue or fail, fetched by a link, gone after its time."""

import asyncio
import csv
import io
import json
import re
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from config.settings import without_settings
from scripts.embedded.child import Child
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.seaweed import SeaweedFS, seaweed_server
from scripts.embedded.valkey import Valkey
from storage.mongo.presence import MongoPresence
from tests.flows.app import PASSWORD, App, signed_up
from tests.flows.node import Node, node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90), pytest.mark.asyncio(loop_scope="module")]  # processes start
ROOT = Path(__file__).parents[2]
SEEN = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
"""Later than any device is seen while this runs: what is kept never goes back."""


class Stage:
    """A node and what its workers need; the workers are each test's own."""

    def __init__(self, server: Node, mongo: ReplicaSet, directory: Path, variables: dict[str, str]) -> None:
        self.node = server
        self.mongo = mongo
        self.directory = directory
        self.variables = variables

    @asynccontextmanager
    async def worker(self, name: str, **more: str) -> AsyncIterator[Child]:
        """One that waits wherever HOLD names a file that is not there, and fails where FAIL is set."""
        log = self.directory / f"{name}.log"
        program = [sys.executable, str(ROOT / "tests/flows/held_worker.py")]
        child = Child(name, program, log, {**without_settings(), **self.variables, **more})
        child.start()
        await child.until(lambda: _said(log, "ready worker"), 20)
        try:
            yield child
        finally:
            child.kill()


async def _said(log: Path, words: str) -> bool:
    return log.exists() and words in log.read_text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seaweed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SeaweedFS]:
    async with seaweed_server(tmp_path_factory.mktemp("seaweed")) as running:
        await running.start_again()
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    mongo: ReplicaSet, valkey_session: Valkey, seaweed: SeaweedFS, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    directory = tmp_path_factory.mktemp("exports")
    settings = {
        **seaweed.variables,
        "LIFEBUDDY_MONGO_DATABASE": f"exports_{directory.name[-4:]}",
        "LIFEBUDDY_MASTER_KEY": "ab" * 32,
        "LIFEBUDDY_JOBS_LEASE_SECONDS": "1.5",
        "LIFEBUDDY_JOBS_ATTEMPTS": "2",
    }
    async with node(directory, mongo.url, valkey_session.url, **settings) as server:
        variables = {
            "LIFEBUDDY_PROFILE": "test",
            "LIFEBUDDY_MONGO_URL": mongo.url,
            "LIFEBUDDY_REDIS_URL": valkey_session.url,
            "LIFEBUDDY_LOG_FORMAT": "json",
            "LIFEBUDDY_JOBS_PORT": "0",
            "LIFEBUDDY_DATA": str(directory),
            **settings,
        }
        yield Stage(server, mongo, directory, variables)


async def begin(app: App) -> str:
    """The id of an export that runs from now on."""
    proved, _ = await app.rest("POST", "/v1/auth/reauth", {"password": PASSWORD, "scope": "export"})
    assert proved == 204
    status, begun = await app.rest("POST", "/v1/me/export")
    assert status == 202, begun
    export_id: str = begun["export_id"]
    return export_id


async def fetched(app: App, export_id: str) -> zipfile.ZipFile:
    """The file, by the link, without a token."""
    status, shown = await app.rest("GET", f"/v1/me/export/{export_id}")
    assert (status, shown["state"]) == (200, "ready"), shown
    async with aiohttp.ClientSession() as session, session.get(app.url + shown["url"]) as response:
        assert response.status == 200
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        whole = await response.read()
    assert (len(whole), sha256(whole).hexdigest()) == (shown["size"], shown["sha256"])
    return zipfile.ZipFile(io.BytesIO(whole))


def kinds(log: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in log if event["type"].startswith(("export.", "job."))]


async def _seen(stage: Stage, user_id: str, at: datetime) -> None:
    """As if a device of theirs had been there until then."""
    async with AsyncMongoClient[dict[str, Any]](stage.mongo.url) as client:
        await MongoPresence(client[stage.variables["LIFEBUDDY_MONGO_DATABASE"]]).keep({user_id: at})


def ready(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "export.ready")


async def test_all_that_is_known_of_a_person_comes_in_one_file(stage: Stage) -> None:
    async with stage.worker("plain"), signed_up(stage.node.url) as app, signed_up(stage.node.url) as eve:
        await app.surely("goal.create", {"title": "=Run 10 km"})
        sent = await app.surely("chat.send", {"text": "Hello coach, I sleep badly"})
        await app.replied(sent["reply_id"])
        assert (await app.rest("POST", "/v1/me/export"))[1]["code"] == "auth.fresh"
        await _seen(stage, app.tokens["user_id"], SEEN)
        export_id = await begin(app)
        await app.until(ready)
        archive = await fetched(app, export_id)
        log = await app.whole_log()
        manifest = json.loads(archive.read("manifest.json"))
        files = {one["name"]: one for one in manifest["files"]}
        assert set(archive.namelist()) == {*files, "manifest.json"}
        for name, one in files.items():
            assert sha256(archive.read(name)).hexdigest() == one["sha256"], name
        events = [json.loads(line) for line in archive.read("events.jsonl").splitlines()]
        assert [event["id"] for event in events] == [event["id"] for event in log][: manifest["seq"]]
        assert files["events.jsonl"]["count"] == len(events) == manifest["seq"]
        messages = [json.loads(line) for line in archive.read("messages.jsonl").splitlines()]
        assert [one["role"] for one in messages] == ["user", "coach"]
        assert messages[0]["text"] == "Hello coach, I sleep badly"
        table = list(csv.DictReader(io.StringIO(archive.read("goals.csv").decode())))
        assert table[0]["title"] == "'=Run 10 km", "no spreadsheet takes it for a formula"
        assert json.loads(archive.read("profile.json"))["email"] == app.email
        assert len(archive.read("signed_in_devices.jsonl").splitlines()) == 1
        assert datetime.fromisoformat(json.loads(archive.read("presence.json"))["last_seen_at"]) == SEEN
        assert kinds(log) == ["export.requested", "export.ready"]
        assert any(signal["type"] == "progress" and signal["data"]["subject"] == export_id for signal in app.signals)
        status, answer = await eve.rest("GET", f"/v1/me/export/{export_id}")
        assert (status, answer["code"]) == (404, "not_found")
        assert (await app.rest("GET", "/v1/exports/file?token=guessed"))[1]["code"] == "auth.token"


async def test_a_worker_killed_in_the_midst_of_it_is_followed_by_another_and_it_is_done_once(stage: Stage) -> None:
    hold = stage.directory / "never"
    async with signed_up(stage.node.url) as app:
        async with stage.worker("killed", HOLD=str(hold)) as first:
            export_id = await begin(app)
            await _until_begun(first)
            status, refused = await app.rest("POST", "/v1/me/export")
            assert (status, refused["code"]) == (409, "export.running")
            async with stage.worker("heir"):
                first.kill()
                await app.until(ready)
        assert len((await fetched(app, export_id)).namelist()) > 5
        assert kinds(await app.whole_log()) == ["export.requested", "export.ready"]


async def test_a_queue_that_was_lost_in_the_midst_of_it_loses_no_job(stage: Stage, valkey_session: Valkey) -> None:
    """Two are owed: one in a worker's hands, one that only the queue knows of."""
    hold = stage.directory / "flushed"
    async with signed_up(stage.node.url) as ann, signed_up(stage.node.url) as bo:
        async with stage.worker("flushed", HOLD=str(hold), LIFEBUDDY_JOBS_TOGETHER="1") as worker:
            first = await begin(ann)
            await _until_begun(worker)
            second = await begin(bo)
            async with Redis.from_url(valkey_session.url) as redis:
                await redis.flushall()
            hold.touch()
            await asyncio.gather(ann.until(ready), bo.until(ready))
        for app, export_id in ((ann, first), (bo, second)):
            assert (await fetched(app, export_id)).testzip() is None
            assert kinds(await app.whole_log()) == ["export.requested", "export.ready"]


async def test_a_job_that_always_fails_is_a_dead_letter_with_an_alarm_and_its_owner_is_told(stage: Stage) -> None:
    async with stage.worker("failing", FAIL="1") as worker, signed_up(stage.node.url) as app:
        export_id = await begin(app)
        failed = await app.until(lambda event: event["type"] == "job.failed")
        assert (failed["data"]["subject"], failed["data"]["problem"]) == (export_id, "job.failed")
        _, shown = await app.rest("GET", f"/v1/me/export/{export_id}")
        assert (shown["state"], shown["problem"]) == ("failed", "job.failed")
        assert worker.log is not None
        said = worker.log.read_text()
        dead = [json.loads(line) for line in said.splitlines() if '"job.dead"' in line]
        (alarm,) = [line for line in dead if line["job"] == failed["data"]["job_id"]]
        assert (alarm["level"], alarm["kind"], alarm["attempts"]) == ("critical", "export", 2)
        assert "secret words" not in said
        assert "jobs_dead 1.0" in await _told(f"{stage.node.url}/metrics")
        (url,) = re.findall(r"ready worker (http://\S+)", said)
        assert await _told(f"{url}/healthz") == ['{"status": "ok"}']
        told = await _told(f"{url}/metrics")
        assert {'job_attempts_total{outcome="failed"} 1.0', 'job_attempts_total{outcome="dead"} 1.0'} <= {*told}
        assert {'log_errors_total{event="job.dead"} 1.0', "jobs_in_hand 0.0", "jobs_oldest_seconds 0.0"} <= {*told}
        async with AsyncMongoClient[dict[str, Any]](stage.mongo.admin_url) as client:
            letter = await client[stage.variables["LIFEBUDDY_MONGO_DATABASE"]]["jobs"].find_one({"_id": alarm["job"]})
        assert letter is not None
        assert (letter["state"], letter["subject"], letter["why"]) == ("dead", export_id, "RuntimeError")
        assert await begin(app) != export_id, "who was failed may ask again at once"


async def _told(url: str) -> list[str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return (await response.text()).splitlines()


async def _until_begun(worker: Child) -> None:
    async with asyncio.timeout(15):
        while worker.log is None or "began" not in worker.log.read_text():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
