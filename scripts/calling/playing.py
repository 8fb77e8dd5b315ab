"""What a listener hears: packets are played out a little after they come, and the player can say how far it is."""

from collections import deque
from typing import Final

from scripts.calling.sound import RATE

DELAY: Final = 0.04
"""Seconds a packet waits for those that are late, about what Chromium's player waits."""
_WRAP: Final = 2**32


class Player:
    """Time is an argument: seconds of one monotonic clock. Keeps what has not been played, 60 s at most."""

    def __init__(self, delay: float = DELAY) -> None:
        self._delay = delay
        self._waiting: deque[tuple[float, int]] = deque(maxlen=3000)
        self._played: int | None = None
        self._last: tuple[float, int] | None = None
        self._sequence: int | None = None
        self.lost = 0

    def take(self, timestamp: int, sequence: int, now: float) -> None:
        """A packet came. It is played when its turn is, counted from the one before; a late one puts off what follows."""
        self._count(sequence)
        due = now + self._delay
        if self._last is not None:
            at, before = self._last
            turn = at + _signed(timestamp - before) / RATE
            due = turn if now <= turn <= due else due
        self._waiting.append((due, timestamp))
        self._last = due, timestamp

    def playing(self, now: float) -> int | None:
        """RTP timestamp of the newest packet whose sound has begun; None before the first."""
        while self._waiting and self._waiting[0][0] <= now:
            self._played = self._waiting.popleft()[1]
        return self._played

    def _count(self, sequence: int) -> None:
        if self._sequence is not None:
            gap = (sequence - self._sequence) % 2**16
            self.lost += gap - 1 if 0 < gap < 2**15 else 0
            self._sequence = sequence if gap < 2**15 else self._sequence
        else:
            self._sequence = sequence


def _signed(difference: int) -> int:
    """Of two timestamps of 32 bits."""
    return (difference + _WRAP // 2) % _WRAP - _WRAP // 2
