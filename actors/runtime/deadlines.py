"""Until when askers wait: those who wait equally long share one timer of the loop, which costs more than a question does."""

import asyncio
from collections import OrderedDict
from typing import Any, Final

from actors.runtime.envelope import Envelope

RESOLUTION: Final = 0.001
"""Seconds; the loop's own timers are no finer."""

Asker = asyncio.Future[Any]


class Deadlines:
    """Of askers on one loop who all wait for so many seconds: who asked first is due first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._key = (loop, timeout)
        self._envelopes: OrderedDict[Asker, Envelope] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, asker: Asker, envelope: Envelope) -> None:
        self._envelopes[asker] = envelope
        if self._timer is None:
            self._timer = self._key[0].call_at(envelope.until, self._expire)

    def remove(self, asker: Asker) -> None:
        """They have their answer, or wait no more. The last one stops the timer."""
        self._envelopes.pop(asker, None)
        if not self._envelopes and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            _waited.pop(self._key, None)

    def _expire(self) -> None:
        loop = self._key[0]
        due, self._timer = loop.time() + RESOLUTION, None
        while self._envelopes:
            asker, envelope = next(iter(self._envelopes.items()))
            if envelope.until > due:
                self._timer = loop.call_at(envelope.until, self._expire)
                return
            del self._envelopes[asker]
            envelope.expire()
        _waited.pop(self._key, None)


_waited: Final[dict[tuple[asyncio.AbstractEventLoop, float], Deadlines]] = {}
"""Only those that somebody waits in."""


def waited(loop: asyncio.AbstractEventLoop, timeout: float) -> Deadlines:
    """Those of everybody on the loop who waits so many seconds."""
    deadlines = _waited.get((loop, timeout))
    if deadlines is None:
        deadlines = _waited[loop, timeout] = Deadlines(loop, timeout)
    return deadlines
