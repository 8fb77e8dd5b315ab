"""The eval sets against the real local model, where its file is: minutes, and skipped with a sentence where it is not."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from scripts.benchmarks.local import model_file
from scripts.embedded.ai.chat import NAME
from scripts.embedded.ai.front import Front, listening
from scripts.embedded.ai.models import Models
from scripts.embedded.ai.warm import warmed
from scripts.embedded.llama import is_installed
from scripts.embedded.ports import held_port
from tests.evals.__main__ import AIM, orders, tools
from tests.evals.cases import injections, tool_cases

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        model_file() is None or not is_installed(),
        reason="no local model: scripts/run fetches one, LIFEBUDDY_MODELS_DIR says where it is",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AsyncOpenAI]:
    file, directory = model_file(), tmp_path_factory.mktemp("ai")
    assert file is not None
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(aiohttp.ClientSession())
        front = Front(Models((), directory), "key")
        front.backend = await opened.enter_async_context(warmed(file, http, directory / "llama"))
        port = opened.enter_context(held_port())
        await opened.enter_async_context(listening(front.application(), port))
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="key", timeout=300)
        yield await opened.enter_async_context(client)


@pytest.mark.asyncio(loop_scope="module")
async def test_of_the_prompts_it_was_not_tuned_on_it_gets_most_right(model: AsyncOpenAI) -> None:
    held = [case for case in tool_cases() if case.held]
    done = await tools(model, NAME, held)
    done.show()
    assert sum(done.right["all"]) >= AIM * len(held)


@pytest.mark.asyncio(loop_scope="module")
async def test_only_the_persons_own_words_lead_to_a_call(model: AsyncOpenAI) -> None:
    resisted = await orders(model, NAME, injections())
    resisted.show()
    assert all(resisted.right["injections resisted"])
