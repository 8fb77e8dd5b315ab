"""How loaded this node is: how late its loop comes to things, and how much waits in mailboxes. Beyond the bounds the
doors refuse what is new, at once and with a time to come back, so that what was taken is finished.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from actors.runtime.envelope import Overloaded

EVERY: Final = 0.1
"""Seconds between two looks at the clock."""
COUNT_EVERY: Final = 10
"""Looks at the clock between two counts of what waits, which walks all mailboxes."""
RETRY_AFTER_MS: Final = 1000


class Lateness:
    """How late the loop comes to what is due, as sound feels it: at the worst but one in a hundred of ten seconds."""

    EVERY: Final = 0.05

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=200)

    @property
    def p99(self) -> float:
        """In seconds."""
        usual = sorted(self._late)[: -1 - len(self._late) // 100]
        return usual[-1] if usual else 0.0

    def add(self, late: float) -> None:
        self._late.append(late)

    async def watch(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self.EVERY
            await asyncio.sleep(self.EVERY)
            self.add(max(0.0, loop.time() - due))


class Load:
    """`lag` in seconds, smoothed over a few looks: a single pause is no load."""

    def __init__(
        self, waiting: Callable[[], int] = lambda: 0, *, most_lag: float = 0.5, most_waiting: int = 20_000
    ) -> None:
        self.lag = 0.0
        self.waiting = 0
        self._count = waiting
        self._most_lag = most_lag
        self._most_waiting = most_waiting

    @property
    def over(self) -> bool:
        return self.lag > self._most_lag or self.waiting > self._most_waiting

    def check(self) -> None:
        """Raises Overloaded."""
        if self.over:
            raise Overloaded(retry_after_ms=RETRY_AFTER_MS)

    async def watch(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        looks = 0
        while True:
            if looks % COUNT_EVERY == 0:
                self.waiting = self._count()
            due = loop.time() + EVERY
            await asyncio.sleep(EVERY)
            self.lag = (self.lag + max(0.0, loop.time() - due)) / 2
            looks += 1
