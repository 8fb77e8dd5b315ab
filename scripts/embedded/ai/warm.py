"""The constant beginnings of every prompt, read before anyone waits: from a file where this model has read them before."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import structlog

from actors.work.tools import TOOLS
from scripts.embedded import llama
from scripts.embedded.ai.backend import WARM, Backend, BusyError
from scripts.embedded.ai.chat import NAME
from scripts.embedded.ai.ollama import Running
from scripts.embedded.ai.router import Router
from scripts.embedded.child import StartError
from transport.providers.openai_chunks import pack_tool

COACH = Path(__file__).parents[3] / "config" / "prompts" / "coach.md"

log = structlog.get_logger(__name__)


class Kept:
    """What llama.cpp's slots had in mind once these beginnings were read; nobody's words are among them."""

    def __init__(self, backend: Backend, model: Path, directory: Path) -> None:
        about = model.stat()
        self._backend = backend
        self._directory = directory
        self._of = (model.name, about.st_size, about.st_mtime_ns, version("xllamacpp"), llama.PROGRAM.read_text())

    async def read(self, request: dict[str, Any]) -> None:
        """Takes a file only where model, program and words are the same; otherwise the model reads, and it is kept."""
        digest = hashlib.sha256(msgspec.json.encode((self._of, request))).hexdigest()
        slot, file = request["id_slot"], f"{request['id_slot']}-{digest[:32]}.bin"
        if (self._directory / file).is_file() and await self._backend.slot(slot, "restore", file):
            return
        await self._backend.read(request)
        await self._backend.slot(slot, "save", file)
        for other in self._directory.glob(f"{slot}-*.bin"):
            if other.name != file:
                other.unlink()


@asynccontextmanager
async def warmed(
    source: Path | Running,
    http: aiohttp.ClientSession,
    directory: Path,
    begun: Callable[[Backend], None] = lambda _: None,
) -> AsyncIterator[Backend]:
    """A server that has the model and has read the beginnings; ours keeps its files in the directory. Raises StartError.

    `begun` is told of it before it reads.
    """
    if isinstance(source, Running):
        backend = Backend(source.url, source.model, {}, http)
        await warm(backend)
        yield backend
        return
    if not llama.is_installed():
        raise StartError("xllamacpp is not installed: start with scripts/run")
    async with llama.llama_server(source, directory, NAME) as server:
        key = {"Authorization": f"Bearer {server.variables['LIFEBUDDY_OPENAI_API_KEY']}"}
        backend = Backend(server.variables["LIFEBUDDY_OPENAI_BASE_URL"], NAME, key, http, server)
        begun(backend)
        await warm(backend, Kept(backend, source, server.slots))
        yield backend


async def warm(backend: Backend, kept: Kept | None = None) -> None:
    """The coach's instructions and the router's examples, which are the same for everyone."""
    tools = [pack_tool(tool) for tool in TOOLS]
    try:
        for request in beginnings(backend, COACH.read_text(), tools):
            async with backend.turn():
                await (kept.read(request) if kept else backend.read(request))
    except (aiohttp.ClientError, BusyError, LookupError, OSError, ValueError) as problem:
        log.warning("warm.failed", problem=type(problem).__name__)


def beginnings(backend: Backend, system: str, tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One request for each slot."""
    coach = {"model": backend.model, "messages": [{"role": "system", "content": system}], "max_tokens": 1}
    router = Router(tools)
    return [coach | {"id_slot": 0, "cache_prompt": True}, backend.question(router, WARM) | {"max_tokens": 1}]
