"""The local AI as a process of its own: models come and are served behind the OpenAI protocol, on loopback, with a key."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

import aiohttp
import structlog

from actors.work.tools import TOOLS
from scripts.embedded import llama
from scripts.embedded.ai import embeddings
from scripts.embedded.ai.backend import Backend, BusyError
from scripts.embedded.ai.catalogue import Size, of_size
from scripts.embedded.ai.chat import NAME
from scripts.embedded.ai.front import Front, listening
from scripts.embedded.ai.models import Models, models
from scripts.embedded.ai.ollama import Running
from scripts.embedded.child import StartError
from transport.providers.openai_chunks import pack_tool

WHOLE = aiohttp.ClientTimeout(total=600, connect=5)
COACH = Path(__file__).parents[3] / "config" / "prompts" / "coach.md"

log = structlog.get_logger(__name__)


async def serve_chat(front: Front, coming: Models, http: aiohttp.ClientSession, directory: Path) -> None:
    """Waits for the model, then serves it until cancelled."""
    source = await coming.chat()
    async with AsyncExitStack() as stack:
        if isinstance(source, Running):
            front.backend = Backend(source.url, source.model, {}, http)
        elif not llama.is_installed():
            coming.failed("chat", "xllamacpp is not installed: start with scripts/run")
            return
        else:
            try:
                server = await stack.enter_async_context(llama.llama_server(source, directory / "llama", NAME))
            except StartError as problem:
                coming.failed("chat", str(problem))
                return
            key = {"Authorization": f"Bearer {server.variables['LIFEBUDDY_OPENAI_API_KEY']}"}
            front.backend = Backend(server.variables["LIFEBUDDY_OPENAI_BASE_URL"], NAME, key, http)
        coming.ready("chat")
        await warm(front.backend)
        await asyncio.Event().wait()


async def warm(backend: Backend) -> None:
    """The coach's instructions and tools are the same for everyone: they are read before the first person asks."""
    try:
        await backend.warm(COACH.read_text(), [pack_tool(tool) for tool in TOOLS])
    except (aiohttp.ClientError, BusyError, LookupError, ValueError) as problem:
        log.warning("warm.failed", problem=type(problem).__name__)


async def serve_embeddings(front: Front, coming: Models) -> None:
    file = await coming.file("embeddings")
    if not embeddings.is_installed():
        coming.failed("embeddings", "onnxruntime and tokenizers are not installed: start with scripts/run")
        return
    front.embedder = await asyncio.to_thread(embeddings.Embedder, file)
    coming.ready("embeddings")


async def main(told: Mapping[str, str]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wanted = of_size(cast("Size", told["AI_SIZE"]))
    own = Path(told["AI_LLM_FILE"]) if told.get("AI_LLM_FILE") else None
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=WHOLE))
        coming = await stack.enter_async_context(models(wanted, Path(told["AI_MODELS"]), own))
        front = Front(coming, told["AI_KEY"])
        await stack.enter_async_context(listening(front.application(), int(told["AI_PORT"])))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        directory = Path(told["AI_DIRECTORY"])
        serving = [group.create_task(serve_chat(front, coming, http, directory), name="serve-chat")]
        if "embeddings" in coming.status():
            serving.append(group.create_task(serve_embeddings(front, coming), name="serve-embeddings"))
        await stop.wait()
        for task in serving:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(os.environ))
    sys.exit(0)
