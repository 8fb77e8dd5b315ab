"""The parts while they come: each says how far it is, hands on its file, and a failure is a sentence."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from scripts.embedded.ai import models as coming_models
from scripts.embedded.ai.catalogue import Model
from scripts.embedded.ai.models import models
from scripts.embedded.ai.ollama import Running
from scripts.embedded.ports import held_port
from tests.embedded.ai.package_index import PIECE, Index, content


@pytest.fixture(autouse=True)
def no_ollama(monkeypatch: pytest.MonkeyPatch) -> None:
    with held_port() as closed:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{closed}")


def tiny(index: Index) -> tuple[Model, ...]:
    one = index.carry(content(size=PIECE), "tiny.gguf")
    return (Model("chat", "Tiny", "MIT", 1, (one,)),)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # a state, not an event
            await asyncio.sleep(0.01)


async def test_a_part_is_fetched_checked_and_handed_on(index: Index, tmp_path: Path) -> None:
    async with models(tiny(index), tmp_path) as coming:
        part = coming.status()["chat"]
        assert (part.state, part.done, part.total) == ("waiting", 0, PIECE)
        assert await coming.file("chat") == tmp_path / "tiny.gguf"
        assert (part.state, part.done, part.problem) == ("loading", PIECE, "")
        coming.ready("chat")
        assert part.state == "ready"


async def test_what_failed_says_why_and_is_tried_again(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coming_models, "TRY_AGAIN_AFTER", 0.1)
    wanted = tiny(index)
    kept = index.wheels.pop("tiny_part0")
    async with models(wanted, tmp_path) as coming:
        await until(lambda: coming.status()["chat"].state == "failed")
        assert coming.status()["chat"].problem == "no source of model files could be reached"
        index.wheels["tiny_part0"] = kept
        assert await coming.file("chat") == tmp_path / "tiny.gguf"


async def test_a_file_of_one_s_own_goes_before_every_source(index: Index, tmp_path: Path) -> None:
    own = tmp_path / "mine.gguf"
    own.write_bytes(b"GGUF")
    async with models(tiny(index), tmp_path, own) as coming:
        assert await coming.chat() == own
        assert coming.status()["chat"].model == "mine"
    assert index.got == []


async def test_a_file_of_one_s_own_that_is_not_there_is_told(index: Index, tmp_path: Path) -> None:
    async with models(tiny(index), tmp_path, tmp_path / "typo.gguf") as coming:
        await until(lambda: coming.status()["chat"].state == "failed")
        assert coming.status()["chat"].problem.startswith("LIFEBUDDY_LLM_FILE: there is no file ")
    assert index.got == []


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["llama3.1:8b", "qwen2.5:7b"], "qwen2.5:7b"),
        (["qwen3-embedding:4b", "qwen2.5-vl:3b", "gemma3:4b"], "gemma3:4b"),
        (["bge-m3"], None),
    ],
)
async def test_an_ollama_with_a_suitable_model_goes_before_a_download(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], chosen: str | None
) -> None:
    async def listed(_request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name} for name in names]})

    application = web.Application()
    application.router.add_get("/v1/models", listed)
    runner = web.AppRunner(application)
    await runner.setup()
    with held_port() as port:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        monkeypatch.setenv("OLLAMA_HOST", f"http://0.0.0.0:{port}")
        async with models(tiny(index), tmp_path) as coming:
            source = await coming.chat()
        await runner.cleanup()
    if chosen is None:
        assert source == tmp_path / "tiny.gguf"
        return
    assert isinstance(source, Running)
    assert (urlsplit(source.url).hostname, source.model) == ("127.0.0.1", chosen)
    assert index.got == []
