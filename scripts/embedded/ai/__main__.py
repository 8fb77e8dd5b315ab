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

from scripts.embedded.ai import embeddings, recognising, speaking
from scripts.embedded.ai.catalogue import Size, of_size
from scripts.embedded.ai.front import Front, listening
from scripts.embedded.ai.models import Models, Part, models
from scripts.embedded.ai.warm import warmed
from scripts.embedded.child import StartError

WHOLE = aiohttp.ClientTimeout(total=600, connect=5)


async def serve_chat(front: Front, coming: Models, http: aiohttp.ClientSession, directory: Path) -> None:
    """Waits for the model, then serves it until cancelled; ready is told once the constant beginnings are read."""
    source = await coming.chat()
    try:
        async with warmed(source, http, directory / "llama", front.order.give_way) as backend:
            front.backend = backend
            coming.ready("chat")
            await asyncio.Event().wait()
    except StartError as problem:
        coming.failed("chat", str(problem))


async def serve_embeddings(front: Front, coming: Models) -> None:
    file = await coming.file("embeddings")
    if not embeddings.is_installed():
        coming.failed("embeddings", "onnxruntime and tokenizers are not installed: start with scripts/run")
        return
    front.embedder = await asyncio.to_thread(embeddings.Embedder, file)
    coming.ready("embeddings")


async def serve_transcription(front: Front, coming: Models) -> None:
    file = await coming.file("transcription")
    if not recognising.is_installed():
        coming.failed("transcription", "faster-whisper is not installed: start with scripts/run")
        return
    front.sound.whisper = await asyncio.to_thread(recognising.Whisper, file)
    coming.ready("transcription")


async def serve_speech(front: Front, coming: Models) -> None:
    """The voice has no file to be fetched: it came with its package."""
    coming.parts["speech"] = Part("loading", model=speaking.NAME)
    if not speaking.is_installed():
        coming.failed("speech", "hibari-tts is not installed: start with scripts/run")
        return
    front.sound.voice = await asyncio.to_thread(speaking.Voice)
    coming.ready("speech")


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
        await stack.enter_async_context(front.order)
        await stack.enter_async_context(listening(front.application(), int(told["AI_PORT"])))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        directory = Path(told["AI_DIRECTORY"])
        serving = [group.create_task(serve_chat(front, coming, http, directory), name="serve-chat")]
        if "embeddings" in coming.status():
            serving.append(group.create_task(serve_embeddings(front, coming), name="serve-embeddings"))
        if "transcription" in coming.status():
            serving.append(group.create_task(serve_transcription(front, coming), name="serve-transcription"))
        serving.append(group.create_task(serve_speech(front, coming), name="serve-speech"))
        await stop.wait()
        for task in serving:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(main(os.environ))
    sys.exit(0)
