"""What the listener has heard: places on the media clock, and the frames that stand there.

A place is counted in samples of 48 kHz from the connection's first packet on and does not wrap.
"""

from collections import deque
from typing import Final

import msgspec

CLOCK: Final = 48_000
"""RTP's clock for Opus, whatever its rate (RFC 7587)."""
SAMPLES: Final = 960
"""Of a frame, on that clock."""
RUNS: Final = 256
"""That are remembered; the oldest are heard long since."""
BEHIND: Final = int(0.3 * CLOCK)
"""How far a listener whose player says nothing is taken to be behind."""
SILENT: Final = 1.0
"""Seconds without a word of the player after which it is estimated."""
_WRAP: Final = 1 << 32


class Run(msgspec.Struct):
    """Frames in a row, sent one after the other without a gap."""

    place: int
    frame: int
    count: int = 1


class Runs:
    """Which frame stands where on the media clock: pauses, gaps and frames sent again begin a new run."""

    def __init__(self) -> None:
        self._runs: deque[Run] = deque(maxlen=RUNS)

    def sent(self, place: int, frame: int) -> None:
        last = self._runs[-1] if self._runs else None
        if last and place == last.place + last.count * SAMPLES and frame == last.frame + last.count:
            last.count += 1
        else:
            self._runs.append(Run(place, frame))

    def heard(self, place: int) -> int:
        """The number after that of the last frame that has ended there; 0 before any."""
        for run in reversed(self._runs):
            whole = (place - run.place) // SAMPLES
            if whole > 0:
                return run.frame + min(run.count, whole)
        return 0


class Listener:
    """How far the player at the other end is: by its own word (`says`), else by the clock."""

    def __init__(self, runs: Runs) -> None:
        self.origin: int | None = None
        """The RTP time of place 0."""
        self._runs = runs
        self._heard = 0
        self._said = -SILENT
        self._speaking_since = 0.0

    def begins(self, now: float) -> None:
        """The voice begins to speak: the player can't have said anything of it yet."""
        self._speaking_since = now

    def says(self, rtp: int, out: float, end: int, now: float) -> bool:
        """The player plays what has this RTP time, heard `out` seconds later; `end`: where what was sent ends.

        False when that was never sent: it is taken for the end then.
        """
        if self.origin is None:
            return True
        ahead = (rtp - self.origin + SAMPLES - end) % _WRAP
        lies = 0 < ahead < _WRAP // 2
        if ahead >= _WRAP // 2:
            ahead -= _WRAP
        place = end + min(ahead, 0) - round(out * CLOCK)
        self._heard = max(self._heard, self._runs.heard(place))
        self._said = now
        return not lies

    def heard(self, place: int, now: float) -> tuple[int, bool]:
        """`place`: that of the media clock when there was the last sign of life; frames, and whether the player says so."""
        if now - max(self._said, self._speaking_since if self._said > 0 else -SILENT) <= SILENT:
            return self._heard, True
        return max(self._heard, self._runs.heard(place - BEHIND)), False
