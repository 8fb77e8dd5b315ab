"""The scripted model as a process of its own, for tests with real processes."""

import asyncio
import sys

import pytest

from actors.ports import ModelFailed, TextDelta, Turn
from scripts.embedded.ports import held_port
from transport.providers.openai_chat import OpenAIChat


async def said(chat: OpenAIChat, text: str) -> str:
    return "".join(
        [piece.text async for piece in chat.answer([Turn("user", text)], ()) if isinstance(piece, TextDelta)]
    )


async def test_it_serves_as_a_process_and_does_what_the_message_names() -> None:
    with held_port() as port:
        pass
    started = (sys.executable, "-m", "tests.scripted_model", "--port", str(port), "--behaviour", "asked")
    process = await asyncio.create_subprocess_exec(*started, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        assert url == f"http://127.0.0.1:{port}/v1"
        async with OpenAIChat(url, "k", "m") as chat:
            assert await said(chat, "Hello") == "You said: Hello"
            with pytest.raises(ModelFailed) as failed:
                await said(chat, "limited: hello")
            assert (failed.value.code, failed.value.retry_after) == ("model.limited", 2.0)
    finally:
        process.terminate()
        await process.wait()
