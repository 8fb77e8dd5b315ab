"""A door before the local models that notes when each was asked and when it had what the next stage waits for."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from actors.voice.sentences import Sentences
from scripts.embedded.ai.sound import INTERIM
from scripts.embedded.ports import held_port

PASSED = ("Authorization", "Content-Type")


@dataclass
class Span:
    """Seconds of the monotonic clock; `done` is when the words, the first sentence or the first sound were there."""

    asked: float
    done: float | None = None

    @property
    def took(self) -> float:
        return (self.done or self.asked) - self.asked


@dataclass
class Clock:
    transcribed: list[Span] = field(default_factory=list)
    written: list[Span] = field(default_factory=list)
    spoken: list[Span] = field(default_factory=list)

    def last(self) -> tuple[Span, Span, Span] | None:
        """Of the turn that has just been answered: the words that were waited for, its text, its first sound."""
        text = next((span for span in reversed(self.written) if span.done is not None), None)
        if text is None or text.done is None:
            return None
        heard = [span for span in self.transcribed if span.done is not None and span.done <= text.asked]
        sound = [span for span in self.spoken if span.asked >= text.done and span.done is not None]
        return (heard[-1], text, sound[0]) if heard and sound else None


class Door:
    def __init__(self, url: str, http: aiohttp.ClientSession, clock: Clock) -> None:
        self._url = url
        self._http = http
        self._clock = clock

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Everything goes through as it comes."""
        body = await request.read()
        span = self._span(request.path, body)
        headers = {name: request.headers[name] for name in PASSED if name in request.headers}
        timeout = aiohttp.ClientTimeout(total=None)
        asked = self._http.request(
            request.method, self._url + request.path, data=body, headers=headers, timeout=timeout
        )
        async with asked as answer:
            kind = {"Content-Type": answer.headers.get("Content-Type", "")}
            passed = web.StreamResponse(status=answer.status, headers=kind)
            seen = _Seen()
            with suppress(ConnectionError):  # who asked has gone, as after an interruption
                await passed.prepare(request)
                async for piece in answer.content.iter_any():
                    if span.done is None and (not request.path.endswith("completions") or seen.has_sentence(piece)):
                        span.done = time.monotonic()
                    await passed.write(piece)
        return passed

    def _span(self, path: str, body: bytes) -> Span:
        span = Span(time.monotonic())
        if path.endswith("/transcriptions") and INTERIM.encode() not in body:
            self._clock.transcribed.append(span)
        elif path.endswith("/completions"):
            self._clock.written.append(span)
        elif path.endswith("/speech"):
            self._clock.spoken.append(span)
        return span


class _Seen:
    """A stream of an answer so far: whether its first sentence is whole."""

    def __init__(self) -> None:
        self._sentences = Sentences()
        self._rest = b""

    def has_sentence(self, piece: bytes) -> bool:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        found = False
        for line in lines:
            told = line.removeprefix(b"data: ")
            if told.startswith(b"{"):
                for choice in json.loads(told).get("choices", ()):
                    found = bool(self._sentences.add(choice.get("delta", {}).get("content") or "")) or found
            elif told.startswith(b"[DONE]"):
                found = bool(self._sentences.close()) or found
        return found


@asynccontextmanager
async def clocked(url: str) -> AsyncIterator[tuple[str, Clock]]:
    """The address to use instead of that one, and what is noted."""
    async with AsyncExitStack() as opened:
        http = await opened.enter_async_context(aiohttp.ClientSession())
        clock = Clock()
        served = web.Application(client_max_size=2**24)
        served.router.add_route("*", "/{path:.*}", Door(url, http, clock).pass_on)
        runner = web.AppRunner(served, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        port = opened.enter_context(held_port())
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}", clock
