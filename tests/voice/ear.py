"""A voice, and what of it really came to the listener's ear, without a clock of its own."""

from actors.media import FRAME, Progress

LAG = 4
"""Frames between sending and hearing."""


class Ear:
    """Time is moved by `run`. Frames are heard in the order in which they are sent; what is left out is a hole."""

    def __init__(self) -> None:
        self.queued = self.sent = self.heard = 0
        self.paused = self.connected = False
        self._next = 0
        self._at = 0.0
        self._way: list[tuple[float, int, int]] = []  # since when, from which frame, to which
        self._holes: list[tuple[int, int]] = []

    @property
    def sounds(self) -> bool:
        return self.connected and not self.paused and self._next < self.queued

    def progress(self) -> Progress:
        return Progress(self.queued, self.sent, self.heard, confirmed=True)

    def run(self, now: float) -> None:
        frames = int((now - self._at) / FRAME + 1e-6)
        began, self._at = self._at, self._at + frames * FRAME
        sends = min(frames, self.queued - self._next) if self.sounds else 0
        if sends:
            self._way.append((began, self._next, self._next + sends))
            self._next += sends
            self.sent = max(self.sent, self._next)
        while self._way:
            since, first, end = self._way[0]
            arrived = min(end, first + int((self._at - since) / FRAME + 1e-6) - LAG)
            if arrived > first:
                self._hear(first, arrived)
            if arrived < end:
                return
            del self._way[0]

    def resume(self, frame: int) -> None:
        self.paused, self._next = False, min(frame, self.sent)

    def cut(self) -> int:
        """The first frame that was dropped."""
        self.paused = False
        self.queued = self._next = self.sent
        return self.sent

    def lose(self) -> None:
        """The line is gone, and with it what was on its way."""
        self._way.clear()
        self.connected = False

    def has_heard(self, first: int, end: int) -> bool:
        return end <= self.heard and not any(a < end and first < b for a, b in self._holes)

    def _hear(self, first: int, end: int) -> None:
        if first > self.heard:
            self._holes.append((self.heard, first))
        parts = (
            (a, b) for hole in self._holes for a, b in ((hole[0], min(hole[1], first)), (max(hole[0], end), hole[1]))
        )
        self._holes = [(a, b) for a, b in parts if a < b]
        self.heard = max(self.heard, end)
