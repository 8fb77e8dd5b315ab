"""The user's voice of the last half minute, by the number of its samples since the call began."""

from typing import Final

from actors.media import FRAME, HEARD_RATE, WINDOW

BYTES: Final = 2
HELD: Final = 30 * HEARD_RATE
"""Samples. More than a segment for a transcriber has, which is cut at 25 s."""
SLACK: Final = 0.2
"""Seconds by which sound may lag behind the clock before silence is put in its place."""
FILLED: Final = 1.0
"""Seconds of silence put in at once, at most: a loop that stood still is no pause of the user's."""


class Microphone:
    """A ring of PCM: what is older than `HELD` samples is dropped. Sample 0 is the first one ever heard."""

    def __init__(self) -> None:
        self.end = 0
        """The number of the next sample."""
        self.judged = 0
        """The number of the first sample that was in no window."""
        self._pcm = bytearray()
        self._origin: float | None = None  # when sample 0 would have come, had all come as the newest did

    def hear(self, pcm: bytes, at: float) -> None:
        """The next samples, of which the last came at that time."""
        self._append(pcm)
        origin = at - self.end / HEARD_RATE
        self._origin = origin if self._origin is None else min(self._origin, origin)

    def fill(self, now: float) -> None:
        """Put silence where sound should have come long ago, so that whoever waits for a pause gets one."""
        if self._origin is None:
            return
        missing = now - SLACK - (self._origin + self.end / HEARD_RATE)
        if missing >= FRAME:
            self._origin += max(0.0, missing - FILLED)
            self._append(bytes(int(min(missing, FILLED) * HEARD_RATE) * BYTES))

    def pause(self) -> None:
        """Nobody is heard until the next samples come: the time until then is not filled."""
        self._origin = None

    def window(self) -> bytes | None:
        """The next 512 samples nobody has judged, if they are there."""
        if self.end - self.judged < WINDOW:
            return None
        self.judged += WINDOW
        return self.between(self.judged - WINDOW, self.judged)

    def between(self, start: int, end: int) -> bytes:
        """The samples [start, end), as far as they are held."""
        oldest = self.end - len(self._pcm) // BYTES
        first, last = max(start - oldest, 0), max(end - oldest, 0)
        return bytes(self._pcm[first * BYTES : last * BYTES])

    def _append(self, pcm: bytes) -> None:
        self._pcm += pcm
        self.end += len(pcm) // BYTES
        if len(self._pcm) > (HELD + HEARD_RATE) * BYTES:  # a second at a time: dropping moves the rest
            del self._pcm[: len(self._pcm) - HELD * BYTES]
