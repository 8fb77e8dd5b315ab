"""One device's connection: its cursor, its bounded outbox, and the one task that writes what could not go at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from actors.questions import Attached, Events
from actors.runtime.envelope import Refused
from transport.sentences import ENGLISH
from transport.sockets.cursor import Cursor
from transport.sockets.frames import Frame, event, merged
from transport.sockets.limits import Limits
from transport.sockets.line import Line

EARLY: Final = 64
"""Signals kept for a device whose `session.ready` has not gone out; beyond, the newest are dropped."""
PULL: Final = 100
"""Events per question to the log: together with the outbox what a replay may hold."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0

Pull = Callable[[int], Awaitable[Events]]


class Surroundings(Protocol):
    """What a connection needs from its gateway."""

    limits: Limits

    def start(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Own a task."""

    def end(self, connection: "Connection", code: str) -> None:
        """Begin to close a connection."""


class Connection:
    """A device of a user. `id` is unique in the fleet; `login` is its login session; `log` the one its seqs count in."""

    __slots__ = (
        "_early",
        "_gateway",
        "_open",
        "_pull_events",
        "_pump",
        "_waiting",
        "_waiting_bytes",
        "away",
        "began",
        "closing",
        "cursor",
        "device",
        "id",
        "language",
        "line",
        "log",
        "login",
        "sid",
        "unreadable",
        "unwatch",
        "user_id",
    )

    def __init__(self, gateway: Surroundings, line: Line, pull: Pull) -> None:
        self.id = ""
        self.sid = ""
        self.user_id = ""
        self.device = ""
        self.language = ENGLISH
        self.login = ""
        self.log = ""
        self.line = line
        self.unwatch: Callable[[], None] = _nothing
        self.cursor = Cursor[Frame](gateway.limits.held)
        self.closing = False
        self.away = False
        self.began = asyncio.get_running_loop().time()
        self.unreadable: list[float] = []
        self._gateway = gateway
        self._pull_events = pull
        self._open = False
        self._early: list[Frame] = []
        self._waiting: list[Frame] = []
        self._waiting_bytes = 0
        self._pump: asyncio.Task[None] | None = None

    # ── what the outbox pushes; never waits ──────────────────────────────────────────────────────────────────────

    def open(self, first: Sequence[Frame]) -> None:
        """The device has been let in: these frames, then what it missed, then what is live."""
        if self.closing:
            return
        self._open = True
        for frame in (*first, *self._early):
            self._put(frame)
        self._early.clear()
        self._deliver(self.cursor.take(()))

    def push(self, frames: Sequence[Frame]) -> None:
        """Durable events. Never skipped: what does not come next is held, or pulled from the log."""
        if self.closing:
            return
        if not self._open:
            self.cursor.hold(frames)
        elif len(frames) == 1 and self.cursor.step(frames[0]):
            if self._waiting or not self.line.offer(frames[0]):
                self._put(frames[0])
        else:
            self._deliver(self.cursor.take(frames))

    def signal(self, frame: Frame) -> None:
        """An ephemeral signal: merged into the one before or dropped when the device is slow."""
        if self.closing:
            return
        if not self._open:
            if len(self._early) < EARLY:
                self._early.append(frame)
        elif not self._waiting or (not self._merge(frame) and len(self._waiting) < self._gateway.limits.waiting // 2):
            self._put(frame)

    def tell(self, frame: Frame) -> None:
        """A word about the connection itself."""
        if self._open and not self.closing:
            self._put(frame)

    def see(self, head: int) -> None:
        """The log reaches to `head`: what has not come by itself is pulled."""
        self.cursor.see(head)
        if self._open and not self.closing and self.cursor.behind:
            self._wake()

    def restart(self, attached: Attached, frame: Frame) -> None:
        """The log is another one: the device is told, and goes on at that log's head."""
        self.log = attached.log
        self.cursor = Cursor[Frame](self._gateway.limits.held)
        self.cursor.start(attached.seq, attached.seq)
        self.tell(frame)

    def end(self, code: str) -> None:
        """Close it, for that reason."""
        self._gateway.end(self, code)

    async def say_goodbye(self, frame: Frame) -> None:
        """The last frame: what waits before it is dropped, the device finds it in the log."""
        self.stop()
        self.line.send(frame)
        await self.line.drained()

    def stop(self) -> None:
        """Nothing more is pushed; what waits is dropped."""
        self.closing = True
        self.unwatch()
        self._waiting.clear()
        if self._pump is not None:
            self._pump.cancel()

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _deliver(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._put(frame)
        if self.cursor.behind and not self.closing:
            self._wake()

    def _put(self, frame: Frame) -> None:
        """At once when there is room, else into the outbox; a full outbox ends the connection with `overloaded`."""
        if self.closing:
            return
        if not self._waiting and self.line.offer(frame):
            return
        limits = self._gateway.limits
        self._waiting.append(frame)
        self._waiting_bytes += self.line.size(frame)
        if len(self._waiting) > limits.waiting or (
            self._waiting_bytes > limits.waiting_bytes and len(self._waiting) > 1
        ):
            self._gateway.end(self, "overloaded")
        else:
            self._wake()

    def _merge(self, frame: Frame) -> bool:
        both = merged(self._waiting[-1], frame)
        if both is None or self._waiting_bytes > self._gateway.limits.waiting_bytes // 2:
            return False
        before = self._waiting.pop()
        self._waiting.append(both)
        self._waiting_bytes += self.line.size(both) - self.line.size(before)
        return True

    def _wake(self) -> None:
        if self._pump is None or self._pump.done():
            self._pump = self._gateway.start(self._run(), f"sockets.pump:{self.id}")

    async def _run(self) -> None:
        """Until nothing waits and nothing is missing, the connection closes, or it has gone."""
        pause = FIRST_PAUSE
        while (self._waiting or self.cursor.behind) and not self.closing and not self.line.gone:
            if await self._advance():
                pause = FIRST_PAUSE
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _advance(self) -> bool:
        """Write what waits; only when all is written, pull what is missing, so a replay stays bounded.

        False when the log gave nothing.
        """
        if not self._waiting and not await self._pull():
            return False
        await self._flush()
        return True

    async def _flush(self) -> None:
        while self._waiting and self.line.room:
            frame = self._waiting.pop(0)
            self._waiting_bytes -= self.line.size(frame)
            self.line.send(frame)
        await self.line.drained()

    async def _pull(self) -> bool:
        """Whether it brought the device forward."""
        before = self.cursor.seq
        try:
            missed = await self._pull_events(before)
        except Refused:
            return False
        self.cursor.see(missed.seq)
        for frame in self.cursor.take([event(one) for one in missed.events]):
            self._replay(frame)
        return self.cursor.seq > before

    def _replay(self, frame: Frame) -> None:
        """One chunk of the log may exceed the outbox's bound: it is as large as PULL says, and the next one waits."""
        if self._waiting or not self.line.offer(frame):
            self._waiting.append(frame)
            self._waiting_bytes += self.line.size(frame)


def _nothing() -> None:
    """Nobody watches yet."""
