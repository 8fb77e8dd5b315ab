"""The doctor names what is broken, how to mend it, and how not to lose the key."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from config.settings import Settings
from scripts.embedded.doctor import examine
from scripts.embedded.findings import Finding
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.ports import held_port
from scripts.embedded.run_file import sole_run, write_run
from scripts.embedded.valkey import Valkey


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


async def look(tmp_path: Path, **given: Any) -> dict[str, Finding]:
    settings = Settings(_env_file=None, data=tmp_path / "data", port=0, **given)  # type: ignore[call-arg]  # pydantic-settings' own
    return {finding.part: finding for finding in await examine(settings)}


async def test_before_the_first_start_nothing_is_broken(tmp_path: Path) -> None:
    found = await look(tmp_path)
    assert [finding for finding in found.values() if finding.why] == []
    assert "not running" in found["MongoDB"].state
    assert found["aiohttp"].version >= "3.14.3"


async def test_it_asks_the_parts_of_a_run_where_they_are(tmp_path: Path, mongo: ReplicaSet, valkey: Valkey) -> None:
    with sole_run(tmp_path / "data"):
        variables = {
            "LIFEBUDDY_MONGO_URL": mongo.url,
            "LIFEBUDDY_REDIS_URL": valkey.url,
            "LIFEBUDDY_EMBEDDED": "mongodb,valkey",
        }
        write_run(tmp_path / "data", {"server": "http://127.0.0.1:1", "variables": variables})
        found = await look(tmp_path)
    assert (found["MongoDB"].state, found["MongoDB"].why) == ("stand-in", "")
    assert (found["Valkey"].state, found["Valkey"].why) == ("stand-in", "")
    assert found["server"].why.startswith("does not answer")


async def test_a_mongodb_that_is_gone_is_broken_and_the_setting_is_named(tmp_path: Path) -> None:
    url = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=200"
    found = await look(tmp_path, mongo_url=url, redis_url="redis://127.0.0.1:9")
    assert found["MongoDB"].why.startswith("does not answer")
    assert "LIFEBUDDY_MONGO_URL" in found["MongoDB"].fix
    assert found["Valkey"].why.startswith("does not answer")


async def test_it_says_how_to_keep_the_master_key_and_sees_when_others_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secrets" / "master-key"
    path.parent.mkdir(parents=True)
    path.write_text("0f" * 32)
    path.chmod(0o600)
    kept = (await look(tmp_path))["master key"]
    assert (kept.why, str(path) in kept.fix) == ("", True)
    assert "copy" in kept.fix
    path.chmod(0o644)
    assert (await look(tmp_path))["master key"].why == "others can read it"


async def test_a_damaged_master_key_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secrets" / "master-key"
    path.parent.mkdir(parents=True)
    path.write_text("half")
    assert (await look(tmp_path))["keys"].fix == "put the copy back"


async def test_local_models_that_still_come_are_well_and_those_that_failed_say_why(tmp_path: Path) -> None:
    async def healthz(_request: web.Request) -> web.Response:
        chat = {"state": "fetching", "done": 40, "total": 100, "problem": "", "model": "Tiny"}
        failed = chat | {"state": "failed", "problem": "the disk has 3 MB free"}
        return web.json_response({"parts": {"chat": chat, "embeddings": failed}})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    runner = web.AppRunner(application)
    await runner.setup()
    with held_port() as port, sole_run(tmp_path / "data"):
        variables = {"LIFEBUDDY_MODELS_STATUS_URL": f"http://127.0.0.1:{port}/healthz"}
        write_run(tmp_path / "data", {"server": "http://127.0.0.1:1", "variables": variables})
        assert (await look(tmp_path))["model"].why == "does not answer"
        await web.TCPSite(runner, "127.0.0.1", port).start()
        found = await look(tmp_path)
        await runner.cleanup()
    assert (found["model: chat"].version, found["model: chat"].why) == ("fetching, 40 %", "")
    assert found["model: embeddings"].why == "the disk has 3 MB free"
