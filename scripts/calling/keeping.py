"""The call is kept: where its connection is lost or its node ends, a new offer is made at once, until one is taken."""

import asyncio
import time
from typing import Final

from scripts.calling.line import Line
from scripts.calling.signals import DRAINING, Signals
from scripts.terminal.account import RefusalError
from scripts.terminal.talk import Talk

CONNECTED_WITHIN: Final = 10.0
ANSWERED_WITHIN: Final = 5.0
GONE: Final = 1.5
"""Seconds without sound and pings after which nobody is at the other end: the server takes it in the same way."""
LOOK: Final = 0.05
KEPT: Final = 60.0
"""Seconds that a call waits for who is away; so long a new offer is tried."""
FIRST: Final = 0.25
LONGEST: Final = 4.0
"""Seconds between two offers: each time twice as many, where the server does not say how many."""
AGAIN: Final = frozenset({"unavailable", "overloaded", "rate_limited", "timeout", "conflict", "call.unreachable"})
"""Refusals after which another offer may be taken."""
_UNREACHABLE: Final = (
    "The call was accepted, but no sound can pass between here and the server: UDP is blocked somewhere on the way. "
    "scripts/doctor says what to mend."
)


class Keeping:
    """Of one conversation, over as many calls and connections as it takes. Every step raises RefusalError."""

    def __init__(self, talk: Talk, line: Line, signals: Signals) -> None:
        self.call_id = ""
        self._talk = talk
        self._line = line
        self._signals = signals
        self._node = talk.node
        self._moved = asyncio.Event()
        self._stands_since = 0.0
        talk.on_ready = self._ready

    async def offer(self, *, take_over: bool = False) -> None:
        """Returns once sound can go both ways."""
        body = {"sdp": await self._line.offer(), "take_over": take_over}
        answer = await self._talk.order("call.offer", body, ANSWERED_WITHIN)
        self.call_id = answer["call_id"]
        self._signals.belongs_to(self.call_id)
        await self._line.accept(answer["sdp"])
        try:
            await asyncio.wait_for(self._line.connected.wait(), CONNECTED_WITHIN)
        except TimeoutError:
            raise RefusalError("call.unreachable", _UNREACHABLE) from None
        self._stands_since = time.monotonic()

    async def run(self) -> None:
        """Until cancelled: another device that takes the call over has it, and nobody can be called for ever."""
        while True:
            await self._lost()
            lost = time.monotonic()
            await self._again()
            self._signals.show(f"      (connected anew after {time.monotonic() - lost:.1f} s)")

    async def _lost(self) -> None:
        """Looks are counted, not seconds: when nothing was read for a while, nothing could come."""
        quiet, signs = 0.0, self._line.signs
        while not self._is_gone() and quiet < GONE:
            await asyncio.sleep(LOOK)
            quiet = quiet + LOOK if signs == self._line.signs else 0.0
            signs = self._line.signs

    def _is_gone(self) -> bool:
        signals = self._signals
        drained = signals.state == "ended" and signals.reason == DRAINING
        away = signals.state == "away" and signals.entered > self._stands_since
        return drained or away or self._moved.is_set() or self._line.is_broken

    async def _again(self) -> None:
        pause, until = FIRST, time.monotonic() + KEPT
        while True:
            self._moved.clear()
            try:
                await self._line.renew()
                await self.offer()
            except RefusalError as refusal:
                wait = pause if refusal.after is None else refusal.after
                if refusal.code not in AGAIN or time.monotonic() + wait > until:
                    raise
                await self._rest(wait, told=refusal.after is not None)
            else:
                return
            pause = min(2 * pause, LONGEST)

    async def _rest(self, seconds: float, *, told: bool) -> None:
        """As long as the server said, or until the socket is back."""
        if told:
            await asyncio.sleep(seconds)
            return
        try:
            await asyncio.wait_for(self._moved.wait(), seconds)
        except TimeoutError:
            return

    def _ready(self) -> None:
        """A socket that comes back to another node leaves one that has ended, most often; a call there has too."""
        if self._talk.node != self._node:
            self._moved.set()
        self._node = self._talk.node
