"""The process of the local AI on a file of one's own, and what a terminal sees of models while they come."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, AuthenticationError
from rich.progress import Progress

from scripts.embedded.ai.warm import COACH
from scripts.embedded.local_ai import LocalAI, Screen, local_ai
from scripts.embedded.ports import held_port
from tests.embedded.ai.package_index import pip_variables
from tests.embedded.tiny_gguf import write_tiny_gguf


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[LocalAI]:
    """It serves a tiny model for chat; no package index can be reached."""
    write_tiny_gguf(tmp_path / "tiny-model.gguf")
    told = {"AI_SIZE": "lite", "AI_MODELS": str(tmp_path / "models"), "AI_LLM_FILE": str(tmp_path / "tiny-model.gguf")}
    with held_port() as closed:
        told |= pip_variables(f"http://127.0.0.1:{closed}/simple/") | {"HF_HUB_OFFLINE": "1"}
        async with local_ai(tmp_path / "ai", told) as child:
            await child.start_again()
            yield child


def client(child: LocalAI, key: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=child.variables["LIFEBUDDY_OPENAI_BASE_URL"], api_key=key, max_retries=0)


async def until_settled(child: LocalAI) -> dict[str, dict[str, Any]]:
    async with asyncio.timeout(45):
        while True:
            parts = await child.parts()
            if all(part["state"] in {"ready", "failed"} for part in parts.values()):
                return parts
            await asyncio.sleep(0.1)


@pytest.mark.timeout(60)
async def test_a_file_of_one_s_own_answers_and_what_cannot_be_fetched_says_so(served: LocalAI) -> None:
    parts = await until_settled(served)
    assert (parts["chat"]["state"], parts["chat"]["model"]) == ("ready", "tiny-model")
    assert parts["embeddings"]["problem"] == "no source of model files could be reached"
    assert parts["transcription"]["problem"] == "no source of model files could be reached"
    assert parts["speech"]["state"] == "ready", "the voice came with its package"
    async with client(served, served.variables["LIFEBUDDY_OPENAI_API_KEY"]) as openai:
        stream = await openai.chat.completions.create(
            model=served.variables["LIFEBUDDY_OPENAI_MODEL"],
            messages=[{"role": "user", "content": "hello"}],
            max_tokens=8,
            stream=True,
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason in {"length", "stop"}
    async with client(served, served.variables["LIFEBUDDY_OPENAI_API_KEY"]) as openai:
        told: list[Any] = [{"role": "system", "content": COACH.read_text()}, {"role": "user", "content": "hello"}]
        first = await openai.chat.completions.create(model="any", messages=told, max_tokens=1)
    assert first.usage is not None
    assert first.usage.prompt_tokens_details is not None
    assert (first.usage.prompt_tokens_details.cached_tokens or 0) > 1000, "ready says that the coach's prompt is read"
    async with client(served, "guessed") as openai:
        with pytest.raises(AuthenticationError):
            await openai.models.list()


def part(state: str, done: int = 0, problem: str = "") -> dict[str, Any]:
    return {"state": state, "done": done, "total": 1_000_000_000, "problem": problem, "model": "Tiny"}


def test_without_a_terminal_each_tenth_is_one_line_and_nothing_is_told_twice() -> None:
    told: list[str] = []
    screen = Screen(Progress(disable=True), told.append, by_lines=True)
    for done in range(0, 1_000_000_000, 30_000_000):
        screen.show({"chat": part("fetching", done)})
    assert told[:2] == ["models: chat 0 % of 1000 MB", "models: chat 10 % of 1000 MB"]
    assert len(told) == 10
    for _ in range(2):
        both = part("failed", problem="the disk is full")
        screen.show({"chat": both, "embeddings": both})
    assert len(told) == 11
    assert "the disk is full; meanwhile the offline coach answers" in told[-1]
    assert not screen.settled
    screen.show({"chat": part("ready")})
    assert told[-1] == "models: chat ready, Tiny"
    assert screen.settled
