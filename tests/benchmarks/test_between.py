"""The door that notes when models were asked and had answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from scripts.benchmarks.between import clocked


class _Models:
    """Whatever is asked answers at once, but text after its first sentence waits until it may go on."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()

    async def speaks(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for text in ("Sleep ", "helps. ", "So does ", "a walk."):
            await answer.write(b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n")
            if text == "So does ":  # by which it is known that the sentence before is whole
                await self.goes_on.wait()
        await answer.write(b"data: [DONE]\n\n")
        return answer

    async def takes(self, request: web.Request) -> web.Response:
        await request.read()
        status = HTTPStatus.IM_A_TEAPOT if request.path.endswith("odd") else HTTPStatus.OK
        return web.Response(text=request.headers["Authorization"], status=status)


@asynccontextmanager
async def _models() -> AsyncIterator[tuple[str, _Models]]:
    models, served = _Models(), web.Application()
    served.router.add_post("/v1/chat/completions", models.speaks)
    served.router.add_post("/{path:.*}", models.takes)
    async with TestServer(served) as server:
        yield str(server.make_url("")).rstrip("/"), models


async def test_a_turn_is_told_apart_into_its_words_its_first_sentence_and_its_first_sound() -> None:
    async with _models() as (address, models), clocked(address) as (url, clock), aiohttp.ClientSession(url) as http:
        assert clock.last() is None
        await _asked(http, "audio/transcriptions")
        text = asyncio.create_task(_asked(http, "chat/completions"))
        async with asyncio.timeout(5):
            while not (clock.written and clock.written[0].done):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert not text.done(), "the sentence is noted before the answer is whole"
        assert clock.last() is None, "nothing was heard of it yet"
        models.goes_on.set()
        assert (await text)[1].endswith("data: [DONE]\n\n")
        await _asked(http, "audio/speech")
        spans = clock.last()
        assert spans is not None
        times = [time for span in spans for time in (span.asked, span.done)]
        assert times == sorted(times, key=lambda time: time or 0)
        assert spans == (clock.transcribed[0], clock.written[0], clock.spoken[0])


async def test_what_fails_is_passed_on_as_it_is() -> None:
    async with _models() as (address, _), clocked(address) as (url, _), aiohttp.ClientSession(url) as http:
        assert await _asked(http, "odd") == (418, "Bearer k")


async def _asked(http: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with http.post(f"/v1/{path}", data=b"{}", headers={"Authorization": "Bearer k"}) as answer:
        return answer.status, await answer.text()
