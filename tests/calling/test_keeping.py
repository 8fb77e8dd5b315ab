"""A call is kept: what is lost is offered anew, as soon and as often as the server lets it."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from scripts.calling.keeping import GONE, Keeping
from scripts.calling.line import Line, line
from scripts.calling.mouth import Utterance
from scripts.calling.shaping import Weather
from scripts.calling.signals import Signals
from scripts.calling.sound import read_sound
from scripts.terminal.account import RefusalError
from scripts.terminal.talk import Talk
from tests.calling.far_end import FarEnd, far_end
from tests.calling.reports import unreported

VOICES = Path(__file__).parents[1] / "voices"


class Server:
    """Answers each offer with another far end, unless it is to refuse; the socket of `talk` is at `node`."""

    def __init__(self, opened: AsyncExitStack) -> None:
        self.node = "one"
        self.on_ready: Any = None
        self.refusals: deque[RefusalError] = deque()
        self.ends: list[FarEnd] = []
        self.offers: list[tuple[float, dict[str, Any]]] = []
        self.call_ids: Iterator[str] = itertools.repeat("1")
        self._opened = opened

    async def order(self, name: str, body: dict[str, Any], _: float) -> dict[str, Any]:
        assert name == "call.offer"
        self.offers.append((time.monotonic(), body))
        if self.refusals:
            raise self.refusals.popleft()
        end = await self._opened.enter_async_context(far_end())
        self.ends.append(end)
        return {"call_id": next(self.call_ids), "sdp": await end.answer(body["sdp"])}

    def move(self, node: str) -> None:
        self.node = node
        self.on_ready()


class Kept:
    def __init__(self, server: Server, on_line: Line, shown: list[str]) -> None:
        self.server, self.line, self.shown = server, on_line, shown
        self.signals = Signals(shown.append)
        self.keeping = Keeping(cast("Talk", server), on_line, self.signals)
        self.run = asyncio.Future[None]()

    async def anew(self, offers: int) -> float:
        """When the so-manyth offer was answered and the call stood again."""
        async with asyncio.timeout(8):
            while sum("anew" in said for said in self.shown) < offers - 1:  # noqa: ASYNC110 - kept in a list
                await asyncio.sleep(0.01)
        assert len(self.server.ends) == offers
        return time.monotonic()


@asynccontextmanager
async def kept() -> AsyncIterator[Kept]:
    async with AsyncExitStack() as opened:
        on_line = await opened.enter_async_context(line(Weather(), near=True, report=unreported))
        made = Kept(Server(opened), on_line, [])
        await made.keeping.offer(take_over=True)
        made.run = asyncio.create_task(made.keeping.run(), name="keeping")
        try:
            yield made
        finally:
            made.run.cancel()
            await asyncio.wait([made.run])


async def test_a_peer_that_vanishes_is_offered_anew_and_heard_again() -> None:
    async with kept() as call:
        await asyncio.sleep(0.3)
        began = time.monotonic()
        call.server.ends[0].vanish()
        stands = await call.anew(2)
        assert GONE - 0.2 < call.server.offers[1][0] - began < GONE + 0.5
        assert stands - call.server.offers[1][0] < 1.5
        assert [body["take_over"] for _, body in call.server.offers] == [True, False], "nobody takes a call back"
        call.line.mouth.speak(said := Utterance(read_sound(VOICES / "stop.opus")))
        async with asyncio.timeout(5):
            await said.ended.wait()
            assert await call.line.ear.voice_after(said.voice_ended) > stands


async def test_a_call_that_stands_is_left_alone_and_one_whose_peer_was_closed_is_offered_at_once() -> None:
    async with kept() as call:
        await asyncio.sleep(GONE + 0.5)
        assert len(call.server.offers) == 1, "a coach that is silent is there"
        began = time.monotonic()
        await call.line.close()
        assert await call.anew(2) - began < 1.0


@pytest.mark.parametrize("how", ["drained", "moved", "away"])
async def test_what_the_server_says_is_followed_at_once(how: str) -> None:
    async with kept() as call:
        call.server.call_ids = iter("2")
        began = time.monotonic()
        if how == "moved":
            call.server.move("two")
        else:
            told = {"drained": {"state": "ended", "reason": "draining"}, "away": {"state": "away"}}[how]
            call.signals.take({"type": "call.state", "data": {"call_id": "1", **told}})
        assert not call.signals.is_over
        assert await call.anew(2) - began < 1.5
        assert (call.keeping.call_id, call.signals.state) == ("2", "connecting")


async def test_it_waits_as_long_as_the_server_says_and_gives_up_what_another_device_has() -> None:
    async with kept() as call:
        call.server.refusals += [RefusalError("unavailable", "Soon.", 0.6), RefusalError("timeout", "No answer.")]
        call.server.refusals.append(RefusalError("call.busy", "Another device is in the call."))
        call.server.move("two")
        with pytest.raises(RefusalError, match="Another device"):
            await asyncio.wait_for(call.run, 5)
        first, second, third = (at for at, _ in call.server.offers[1:])
        assert 0.6 <= second - first < 1.2
        assert 0.5 <= third - second < 1.2, "longer each time, where it is not said"
