"""Row `local`: the first word of a warm turn of the local model, through its front and from llama.cpp's server itself."""

import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from actors.work.tools import TOOLS
from config.settings import read_settings
from scripts.benchmarks.measure import take_turns
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.embedded.ai.asked import asked_in
from scripts.embedded.ai.backend import WARM, Backend
from scripts.embedded.ai.catalogue import catalogue
from scripts.embedded.ai.chat import NAME, Completion, for_model
from scripts.embedded.ai.front import Front, listening
from scripts.embedded.ai.models import Models
from scripts.embedded.ai.router import Router
from scripts.embedded.ai.standing import Standing
from scripts.embedded.ai.warm import COACH, warmed
from scripts.embedded.llama import is_installed
from scripts.embedded.ports import held_port
from transport.providers.openai_chunks import pack_tool

PACKED = [pack_tool(tool) for tool in TOOLS]
KNOWN = "\n".join(
    (
        "<known>",
        json.dumps({"today": "2026-11-23", "weekday": "Monday", "name": "Ann", "open_goals": 2}),
        json.dumps({"id": "0198c0de-0000-7000-8000-000000000000", "title": "Run 10 km", "progress": 20.0}),
        json.dumps({"id": "0198c0de-0000-7000-8000-000000000001", "title": "Learn Spanish", "progress": 5.0}),
        "</known>",
    )
)
BEFORE = (("user", "I had a calm evening"), ("assistant", "That sounds good. What made it calm?"))
TALK = [
    f"It was a {mood} {time_of} here"
    for mood in ("grey", "warm", "loud", "slow", "busy")
    for time_of in ("day", "night", "week", "walk")
]
WISHES = [
    f"Add a goal to {what} {how}"
    for what in ("read", "swim", "draw", "cook", "rest")
    for how in ("more", "well", "daily", "outside")
]
AGAINST = "llama.cpp's server, asked for the same"


class Turns:
    """One warm conversation; each turn's words are new, so that neither side finds the other's already read."""

    def __init__(self, front: str, backend: Backend, http: aiohttp.ClientSession) -> None:
        self._standing = Standing()
        self._front = front
        self._backend = backend
        self._http = http
        self._talk, self._wishes = itertools.cycle(TALK), itertools.cycle(WISHES)

    async def front_talk(self) -> float:
        return await self._through_front(self._talk, '"content":"')

    async def front_call(self) -> float:
        return await self._through_front(self._wishes, '"tool_calls":')

    async def bare_talk(self) -> float:
        asked = Completion(self._messages(next(self._talk)), stream=True, max_tokens=8)
        return await self._until(
            '"content":"', self._backend.completion(for_model(asked, self._backend.model, self._standing))
        )

    async def bare_call(self) -> float:
        """The router's question alone, and all of its answer, which the call is made from."""
        asked = asked_in(self._messages(next(self._wishes))[-1]["content"], WARM.today)
        return await self._until("}}", self._backend.completion(self._backend.question(Router(PACKED), asked)))

    async def _through_front(self, said: Iterator[str], sign: str) -> float:
        request = {
            "model": NAME,
            "messages": self._messages(next(said)),
            "tools": PACKED,
            "stream": True,
            "max_tokens": 8,
        }
        url, key = f"{self._front}/v1/chat/completions", {"Authorization": "Bearer bench"}
        return await self._until(sign, self._http.post(url, json=request, headers=key))

    async def _until(self, sign: str, asking: Any) -> float:
        """Seconds until an answer has it."""
        began = time.monotonic()
        told = ""
        async with asking as answer:
            async for piece in answer.content.iter_any():
                told += piece.decode(errors="replace")
                if sign in told.replace('"content":""', "").replace('"content":null', ""):
                    return time.monotonic() - began
        raise ConnectionError(f"the local model did not answer: {told[-300:]}")

    @staticmethod
    def _messages(said: str) -> list[dict[str, Any]]:
        earlier = [{"role": role, "content": text} for role, text in BEFORE]
        return [
            {"role": "system", "content": COACH.read_text()},
            *earlier,
            {"role": "user", "content": f"{KNOWN}\n\n{said}"},
        ]


@asynccontextmanager
async def turns(file: Path, setting: Setting) -> AsyncIterator[Turns]:
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(aiohttp.ClientSession())
        backend = await opened.enter_async_context(warmed(file, http, setting.keep / "llama"))
        front = Front(Models((), setting.directory), "bench")
        front.backend = backend
        port = opened.enter_context(held_port())
        await opened.enter_async_context(listening(front.application(), port))
        yield Turns(f"http://127.0.0.1:{port}", backend, http)


def model_file() -> Path | None:
    """The largest of the known models for chat that is there."""
    settings = read_settings(profile="test")
    directory = settings.models_directory
    files = (directory / model.files[0].path for model in catalogue() if model.part == "chat")
    return next((file for file in files if file.is_file()), None)


async def local(setting: Setting) -> Sequence[Row]:
    file = model_file()
    if file is None or not is_installed():
        print(
            "local: skipped, there is no local model here (scripts/run fetches one; LIFEBUDDY_MODELS_DIR says where it is)"
        )
        return []
    async with turns(file, setting) as each:
        await each.front_talk()
        await each.front_call()
        talk = await take_turns(setting.rounds, {"ours": each.front_talk, "bare": each.bare_talk})
        call = await take_turns(setting.rounds, {"ours": each.front_call, "bare": each.bare_call})
    budget = Budget(2.0, "absolute")
    return [
        Row("local", "first word of a warm turn (time)", "s", budget, talk["ours"], talk["bare"], AGAINST, file.name),
        Row("local", "from a wish to its call (time)", "s", budget, call["ours"], call["bare"], AGAINST, file.name),
    ]
