"""A bounded mailbox with two lanes: control before work. It never blocks the sender and knows when it is closed."""

import asyncio
from collections import deque

from actors.runtime.envelope import Envelope, Overloaded, Refused

RETRY_AFTER_MS = 250


class Mailbox:
    """Work beyond `bound` is refused with `overloaded` at once; nothing is dropped.

    The control lane carries the results of the actor's own children, whose number its owner bounds.
    """

    __slots__ = ("_bound", "_closed", "_control", "_waiter", "_work")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._work: deque[Envelope] = deque()
        self._control: deque[Envelope] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed: Refused | None = None

    def __len__(self) -> int:
        return len(self._work) + len(self._control)

    def put(self, envelope: Envelope) -> None:
        """Queue work. Raises Overloaded when full, and what it was closed with once closed."""
        if self._closed is not None:
            raise self._closed
        if len(self._work) >= self._bound:
            raise Overloaded(retry_after_ms=RETRY_AFTER_MS)
        self._work.append(envelope)
        if self._waiter is not None:
            self._ring()

    def put_control(self, envelope: Envelope) -> None:
        """Queue what comes before work. Raises what the mailbox was closed with."""
        if self._closed is not None:
            raise self._closed
        self._control.append(envelope)
        self._ring()

    def take(self) -> Envelope | None:
        """The next envelope, or None when there is none."""
        if self._control:
            return self._control.popleft()
        return self._work.popleft() if self._work else None

    async def wait(self) -> None:
        """Return once there is something to take; one reader only."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def close(self, why: Refused) -> list[Envelope]:
        """Refuse everything from now on with `why`; answers what was still waiting, for the owner to tell."""
        self._closed = why
        waiting = [*self._control, *self._work]
        self._control.clear()
        self._work.clear()
        return waiting

    def _ring(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
