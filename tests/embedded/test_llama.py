"""A GGUF file served on loopback is a provider like any other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, AuthenticationError

from scripts.embedded.llama import Llama, llama_server
from tests.embedded.tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.timeout(60)


@pytest_asyncio.fixture
async def llama(tmp_path: Path) -> AsyncIterator[Llama]:
    write_tiny_gguf(tmp_path / "tiny-model.gguf")
    async with llama_server(tmp_path / "tiny-model.gguf", tmp_path / "llama") as server:
        yield server


def client(server: Llama, key: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=server.variables["LIFEBUDDY_OPENAI_BASE_URL"], api_key=key, max_retries=0)


async def test_it_streams_an_answer_to_the_ordinary_client(llama: Llama) -> None:
    async with client(llama, llama.variables["LIFEBUDDY_OPENAI_API_KEY"]) as openai:
        stream = await openai.chat.completions.create(
            model=llama.variables["LIFEBUDDY_OPENAI_MODEL"],
            messages=[{"role": "user", "content": "hello"}],
            max_tokens=8,
            stream=True,
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[0].model == "tiny-model"
    assert chunks[-1].choices[0].finish_reason in {"length", "stop"}


async def test_nobody_gets_an_answer_without_the_key(llama: Llama) -> None:
    async with client(llama, "guessed") as openai:
        with pytest.raises(AuthenticationError):
            await openai.models.list()


async def test_killed_it_comes_back_at_the_same_address(llama: Llama) -> None:
    llama.kill()
    await llama.start_again()
    assert await llama.answers()
