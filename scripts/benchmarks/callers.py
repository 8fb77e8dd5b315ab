"""The load of calls: WebRTC clients in one process, told what to do by lines of JSON; answers are JSON lines.

`{"do": "talk", "url": …, "tokens": […], "turns": N}`: a call for each token, all at once, each speaks and hears the
answer N times. `{"do": "interrupt", …}`: each interrupts an answer N times. `{"do": "vanish", …}`: each peer vanishes in
an answer, and another takes the call over. Every door is asked as ours is: POST /v1/calls with an SDP.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop

from scripts.calling.line import Line, line
from scripts.calling.mouth import Recording, Utterance
from scripts.calling.shaping import Weather
from scripts.calling.sound import frames_of, level, read_sound

VOICES: Final = Path(__file__).parents[2] / "tests" / "voices"
WITHIN: Final = 20.0
"""Seconds for an answer."""
PAUSE: Final = 0.7
"""Seconds of silence after which an answer is over."""
INTO: Final = 1.0
"""Seconds into an answer at which it is interrupted, or its listener vanishes."""
VOWEL: Final = -24.0
"""dBFS of a frame in the middle of a vowel."""
TURN: Final = 7.0
"""Seconds that a turn takes: over so many the beginnings of the calls are spread."""


class Caller:
    """One user's calls."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str, sounds: dict[str, Recording]) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._sounds = sounds
        self.lateness: list[float] = []

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[Line]:
        """A call that can be spoken in. Leaving it is vanishing: nothing is said to the server."""
        async with line(Weather(), near=True, report=_report) as made:
            body = {"sdp": await made.offer()}
            async with self._http.post(f"{self._url}/v1/calls", json=body, headers=self._headers) as answer:
                answered = await answer.json()
            await made.accept(answered["sdp"])
            async with asyncio.timeout(WITHIN):
                await made.connected.wait()
            await asyncio.sleep(0.3)
            yield made
            self.lateness += made.ear.lateness

    async def talk(self, turns: int) -> list[float]:
        """Seconds from the end of each utterance to the first sound of its answer."""
        async with self.calling() as made:
            return [await self._turn(made) for _ in range(turns)]

    async def interrupt(self, turns: int) -> list[float]:
        """Seconds from the beginning of each interruption to the last sound of what was interrupted."""
        took: list[float] = []
        async with self.calling() as made:
            for _ in range(turns):
                await self._answered(made, "goal.opus")
                await asyncio.sleep(INTO)
                stop = Utterance(self._sounds["stop.opus"])
                made.mouth.speak(stop)
                await stop.ended.wait()
                spoken = made.ear.stretch_at(stop.voice_began)
                took.append(WITHIN if spoken is None else max(0.0, spoken.ended - stop.voice_began))
                await made.ear.voice_after(stop.voice_ended)
                await self._quiet(made)
        return took

    async def vanish(self, turns: int) -> list[float]:
        """Seconds from the new offer to sound, each time."""
        took: list[float] = []
        for _ in range(turns):
            async with self.calling() as first:
                await self._answered(first, "goal.opus")
                await asyncio.sleep(INTO)
            began = time.monotonic()
            async with self.calling() as second:
                async with asyncio.timeout(WITHIN):
                    took.append(await second.ear.voice_after(began) - began)
                await self._quiet(second)
        return took

    async def _turn(self, made: Line) -> float:
        took = await self._answered(made, "goal.opus")
        await self._quiet(made)
        return took

    async def _answered(self, made: Line, name: str) -> float:
        said = Utterance(self._sounds[name])
        made.mouth.speak(said)
        await said.ended.wait()
        async with asyncio.timeout(WITHIN):
            return await made.ear.voice_after(said.voice_ended) - said.voice_ended

    async def _quiet(self, made: Line) -> None:
        while time.monotonic() - made.ear.last < PAUSE:  # noqa: ASYNC110 - nothing announces the end of a silence
            await asyncio.sleep(0.05)


class Callers:
    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._sounds = {path.name: Recording(cut_short(read_sound(path))) for path in VOICES.glob("*.opus")}

    async def all(self, do: str, url: str, tokens: Sequence[str], turns: int) -> dict[str, Any]:
        """What each took in seconds, how late packets came, and what went wrong how often."""
        callers = [Caller(self._http, url, token, self._sounds) for token in tokens]
        apart = TURN / len(callers)
        works = [asyncio.create_task(self._one(caller, do, turns, apart * n)) for n, caller in enumerate(callers)]
        took = await asyncio.gather(*works, return_exceptions=True)
        failed = [f"{type(one).__name__}: {one}" for one in took if isinstance(one, BaseException)]
        return {
            "took": sorted(second for one in took if isinstance(one, list) for second in one),
            "late": percentile([late for caller in callers for late in caller.lateness], 0.99),
            "problems": failed,
        }

    async def _one(self, caller: Caller, do: str, turns: int, after: float) -> list[float]:
        await asyncio.sleep(after)
        does: dict[str, Callable[[int], Awaitable[list[float]]]] = {
            "talk": caller.talk,
            "interrupt": caller.interrupt,
            "vanish": caller.vanish,
        }
        return await does[do](turns)


def cut_short(pcm: bytes) -> bytes:
    """Ended in its last loud vowel: whoever listens agrees on when that was."""
    frames = list(frames_of(pcm))
    last = max(place for place, frame in enumerate(frames) if level(frame) > VOWEL)
    return b"".join(frames[: last + 1])


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; nothing was late when nothing came."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def _report(event: str, fields: dict[str, Any]) -> None:
    print(event, fields, file=sys.stderr)


async def main() -> None:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as http:
        callers = Callers(http)
        while order := await loop.run_in_executor(None, sys.stdin.readline):
            print(json.dumps(await callers.all(**json.loads(order))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
