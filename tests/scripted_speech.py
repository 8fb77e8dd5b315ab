"""A scripted speech provider on loopback that speaks the OpenAI protocol: the far end of a call's wires.

In a test: `async with scripted_speech() as speech: speech.hearing(hears("Hello."), fails(500))`; each request takes the
next behaviour of its kind, `hears()` and `speaks()` when the script is empty. Unless it is told a text, it hears the
phrases it knows by the marks in them: `pcm = speech.phrase("I want to walk")` is sound to be sent.

As a process: `python -m tests.scripted_speech --phrase "I want to walk" --hearing-takes 0.25 …` prints its URL first.
"""

import argparse
import asyncio
import contextlib
import io
import wave
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from scripts.embedded.ports import held_port
from tests import sounds

Behaviour = Callable[["Exchange"], Awaitable[None]]
KEPT = 10_000
"""How many requests are remembered; the oldest go first."""
PIECE = sounds.SPOKEN // 10 * 2
"""Bytes of 100 ms, as which sound is sent."""


class Exchange:
    """One request and its answer. `heard` is the sound at 16 kHz that was sent, `text` what is to be spoken."""

    def __init__(self, speech: "ScriptedSpeech", request: web.Request, asked: "Asked") -> None:
        self.speech = speech
        self.asked = asked
        self._request = request
        self.response: web.StreamResponse | None = None

    async def send(self, sent: bytes, content_type: str = "audio/pcm") -> None:
        if self.response is None:
            self.response = web.StreamResponse(headers={"Content-Type": content_type})
            await self.response.prepare(self._request)
        await self.response.write(sent)

    def answer(self, answer: Any) -> None:
        self.response = web.json_response(answer)

    def refuse(self, status: int, headers: dict[str, str] | None = None, *, code: str = "") -> None:
        """An error which repeats what it was sent, as some providers do."""
        error = {"message": f"Can't: {self.asked.text}", "type": "scripted", "code": code or str(status)}
        self.response = web.json_response({"error": error}, status=status, headers=headers)

    def break_off(self) -> None:
        """Close the connection in the middle of a chunk of the transfer coding."""
        transport = self._request.transport
        assert transport is not None
        transport.write(b"40\r\nabc")
        transport.close()


@dataclass(frozen=True)
class Asked:
    """A request: `kind` says which of the rest it has."""

    kind: Literal["hearing", "speaking"]
    model: str
    text: str = ""
    voice: str = ""
    heard: bytes = b""
    language: str | None = None
    form: str = ""
    """`response_format`."""


# ── behaviours ───────────────────────────────────────────────────────────────────────────────────────────────────


def hears(text: str | None = None, *, takes: float = 0.0, **figures: Any) -> Behaviour:
    """The text, else what is known by its marks; `figures` of its one segment, when they are asked for."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(takes)
        said = exchange.speech.known(exchange.asked.heard) if text is None else text
        segment = {"id": 0, "text": f" {said}", "no_speech_prob": 0.01, "avg_logprob": -0.2, "compression_ratio": 1.1}
        verbose = {"language": "english", "segments": [segment | figures]} if exchange.asked.form != "json" else {}
        exchange.answer({"text": said} | verbose)

    return behave


def speaks(*, first: float = 0.0, pace: float = 0.005, drip: int = PIECE) -> Behaviour:
    """Sound like speech with the text's mark in it: `first` seconds of nothing, then `drip` bytes each `pace` seconds."""

    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(first)
        sound = sounds.phrase(exchange.asked.text, sounds.SPOKEN)
        for start in range(0, len(sound), drip):
            await exchange.send(sound[start : start + drip])
            await asyncio.sleep(pace)

    return behave


def answers(body: bytes, content_type: str) -> Behaviour:
    """Whatever it was asked for."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send(body, content_type)

    return behave


def fails(status: int = 500, headers: dict[str, str] | None = None, *, code: str = "") -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        exchange.refuse(status, headers, code=code)

    return behave


def limited(retry_after: str | None = "2") -> Behaviour:
    """429, with a Retry-After or without."""
    return fails(429, {"Retry-After": retry_after} if retry_after is not None else {})


def loading() -> Behaviour:
    """A server whose model is still being fetched or loaded."""
    return fails(503, code="model_loading")


def hangs(after: bytes = b"") -> Behaviour:
    """Never goes on: before the first byte, or after these."""

    async def behave(exchange: Exchange) -> None:
        if after:
            await exchange.send(after)
        await asyncio.Event().wait()

    return behave


def cut(after: bytes = b"") -> Behaviour:
    """The connection is lost: before an answer, or after these bytes of it."""

    async def behave(exchange: Exchange) -> None:
        if after:
            await exchange.send(after)
            await asyncio.sleep(0.02)
        exchange.break_off()

    return behave


def endless(piece: bytes = sounds.tone(300, 1.0, sounds.SPOKEN)) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        while True:
            await exchange.send(piece)
            await asyncio.sleep(0)

    return behave


SOME = sounds.tone(300, 0.3, sounds.SPOKEN)
FAULTS: dict[str, Callable[[], Behaviour]] = {
    "cut": cut,
    "cut-later": lambda: cut(SOME),
    "hang": hangs,
    "hang-later": lambda: hangs(SOME),
    "limited": limited,
    "error": fails,
    "refused": lambda: fails(400),
    "loading": loading,
    "garbage": lambda: answers(b"<html>no</html>", "text/html"),
    "endless": endless,
}


# ── the server ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class ScriptedSpeech:
    """The provider as a test sees it. `left` counts the requests whose client went away before their end."""

    url: str
    otherwise: dict[str, Behaviour]
    requests: deque[Asked] = field(default_factory=lambda: deque(maxlen=KEPT))
    keys: set[str] = field(default_factory=set)
    open: int = 0
    left: int = 0
    _phrases: dict[int, str] = field(default_factory=dict)
    _script: dict[str, deque[Behaviour]] = field(default_factory=lambda: {"hearing": deque(), "speaking": deque()})
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def hearing(self, *behaviours: Behaviour) -> None:
        """What the next transcriptions get, in order."""
        self._script["hearing"].extend(behaviours)

    def speaking(self, *behaviours: Behaviour) -> None:
        """What the next sentences get, in order."""
        self._script["speaking"].extend(behaviours)

    def phrase(self, text: str, rate: int = sounds.HEARD) -> bytes:
        """Sound that is heard as that text from now on."""
        mark = sounds.mark_of(text)
        assert self._phrases.setdefault(mark, text) == text, "another phrase has the same mark: say it differently"
        return sounds.phrase(text, rate)

    def known(self, heard: bytes) -> str:
        return " ".join(self._phrases.get(mark, "") for mark in sounds.marks(heard)).strip()

    @property
    def spoken(self) -> list[str]:
        """The sentences it was asked for."""
        return [asked.text for asked in self.requests if asked.kind == "speaking"]

    async def until(self, condition: Callable[["ScriptedSpeech"], bool]) -> None:
        """Wait until something is so, e.g. `lambda speech: speech.left == 1`."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def transcriptions(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/audio/transcriptions`."""
        form = await request.post()
        sent = form["file"]
        assert isinstance(sent, web.FileField)
        with sent.file, wave.open(io.BytesIO(sent.file.read())) as opened:
            assert (opened.getframerate(), opened.getnchannels(), opened.getsampwidth()) == (sounds.HEARD, 1, 2)
            heard = opened.readframes(opened.getnframes())
        language = form.get("language")
        return await self._exchange(
            request,
            Asked(
                "hearing",
                str(form["model"]),
                heard=heard,
                language=None if language is None else str(language),
                form=str(form.get("response_format", "json")),
            ),
        )

    async def speech(self, request: web.Request) -> web.StreamResponse:
        """`POST /v1/audio/speech`."""
        body = await request.json()
        asked = Asked("speaking", body["model"], body["input"], body["voice"], form=body["response_format"])
        return await self._exchange(request, asked)

    async def _exchange(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        self.requests.append(asked)
        self.keys.add(request.headers.get("Authorization", ""))
        script = self._script[asked.kind]
        behave = script.popleft() if script else self.otherwise[asked.kind]
        await self._count(open=1)
        exchange = Exchange(self, request, asked)
        try:
            await behave(exchange)
        except (ConnectionError, asyncio.CancelledError):
            await self._count(left=1)
            raise
        finally:
            await self._count(open=-1)
        return exchange.response or web.Response()

    async def _count(self, *, open: int = 0, left: int = 0) -> None:  # noqa: A002 - requests are open
        async with self._changed:
            self.open += open
            self.left += left
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def scripted_speech(
    port: int | None = None, *, hearing: Behaviour | None = None, speaking: Behaviour | None = None
) -> AsyncIterator[ScriptedSpeech]:
    """On a free loopback port, or on the one given; `.url` is its base URL, and two behaviours what it does unscripted."""
    with held_port(port) as held:
        otherwise = {"hearing": hearing or hears(), "speaking": speaking or speaks()}
        speech = ScriptedSpeech(f"http://127.0.0.1:{held}/v1", otherwise)
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_post("/v1/audio/transcriptions", speech.transcriptions)
        app.router.add_post("/v1/audio/speech", speech.speech)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", held).start()
            yield speech
        finally:
            await runner.cleanup()


async def _serve(chosen: argparse.Namespace) -> None:
    hearing = FAULTS[chosen.hearing]() if chosen.hearing else hears(chosen.text, takes=chosen.hearing_takes)
    speaking = FAULTS[chosen.speaking]() if chosen.speaking else speaks(first=chosen.speaking_takes)
    async with scripted_speech(chosen.port, hearing=hearing, speaking=speaking) as speech:
        for text in chosen.phrase:
            speech.phrase(text)
        print(speech.url, flush=True)
        await asyncio.Event().wait()


def write_wav(path: Path, sound: bytes, rate: int) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(sound)


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted speech provider on loopback.")
    parser.add_argument("--port", type=int, help="else a free one")
    parser.add_argument("--text", help="what is heard, whatever was said; else phrases by their marks")
    parser.add_argument("--phrase", action="append", default=[], help="a phrase it knows by its mark; may be repeated")
    parser.add_argument("--hearing-takes", type=float, default=0.2, help="seconds until a transcript")
    parser.add_argument("--speaking-takes", type=float, default=0.15, help="seconds until the first sound")
    parser.add_argument("--hearing", choices=sorted(FAULTS), help="a fault in place of transcripts")
    parser.add_argument("--speaking", choices=sorted(FAULTS), help="a fault in place of sound")
    parser.add_argument("--wav", type=Path, help="serve nothing: write the first phrase's sound there, at 48 kHz")
    chosen = parser.parse_args()
    if chosen.wav is not None:
        write_wav(chosen.wav, sounds.phrase(chosen.phrase[0], 48_000), 48_000)
        return
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(chosen))


if __name__ == "__main__":
    main()
