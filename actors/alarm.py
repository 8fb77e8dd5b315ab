"""A time to be woken at, moved as often as one likes."""

import asyncio
import math
from collections.abc import Callable


class Alarm:
    """Rings once, at the time it was set to last. It belongs to the running loop, and keeps nobody who is not waiting."""

    def __init__(self) -> None:
        self._due: float | None = None
        self._timer: asyncio.Handle | None = None

    def set(self, due: float, ring: Callable[[], None]) -> None:
        """`due` in the loop's time: at once when it has passed, never for infinity."""
        if due != self._due:
            self.clear()
            self._due = due
            # uvloop answers a plain handle, which does not know its time, for what is due within half a millisecond
            self._timer = None if due == math.inf else asyncio.get_running_loop().call_at(due, self._rung, ring)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._timer = None

    def _rung(self, ring: Callable[[], None]) -> None:
        self._due = self._timer = None
        ring()
