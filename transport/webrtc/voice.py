"""The coach's voice in one call: numbered frames, given ahead of time, sent over whatever connection there is."""

from collections import deque
from typing import Final, Protocol

from actors.media import FRAME, SPOKEN_RATE, Progress
from actors.runtime.envelope import Overloaded

FRAME_BYTES: Final = int(FRAME * SPOKEN_RATE) * 2
UNSENT: Final = int(60 / FRAME)
"""Frames that may wait; more are refused."""
KEPT: Final = int(10 / FRAME)
"""Frames that are kept of what was heard already: a sentence may be said again from its beginning."""


class Line(Protocol):
    """Where the voice is sent at the moment."""

    def wake(self) -> None:
        """There may be something to send."""

    def heard(self) -> tuple[int, bool]:
        """How many frames have been heard of those sent here, and whether the listener's player says so."""


class CoachVoice:
    """`actors.media.Voice`. What is sent is asked for by its line, frame by frame; it is PCM until then.

    Encoding at the last moment keeps the encoder's state that of the decoder at the other end, through every cut and
    return, and nothing is encoded that is never sent.
    """

    __slots__ = ("_confirmed", "_first", "_frames", "_heard", "_line", "_next", "_paused", "_rest", "_sent")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._first = 0  # the number of the oldest frame that is kept
        self._rest = bytearray()
        self._next = 0
        self._sent = 0
        self._heard = 0
        self._confirmed = True
        self._paused = False
        self._line: Line | None = None

    def play(self, pcm: bytes) -> int:
        whole = (len(self._rest) + len(pcm)) // FRAME_BYTES
        if self._queued - self._sent + whole > UNSENT:
            raise Overloaded
        self._rest += pcm
        for _ in range(whole):
            self._frames.append(bytes(self._rest[:FRAME_BYTES]))
            del self._rest[:FRAME_BYTES]
        self._wake()
        return self._queued

    def end_phrase(self) -> int:
        if self._rest:
            self._frames.append(bytes(self._rest.ljust(FRAME_BYTES, b"\0")))
            self._rest.clear()
            self._wake()
        return self._queued

    def pause(self) -> None:
        self._paused = True

    def resume(self, frame: int) -> None:
        """Frames are sent in order: none is left out, and one that is not kept any more is the oldest that is."""
        self._next = min(max(frame, self._first), self._sent)
        self._paused = False
        self._wake()

    def cut(self) -> None:
        """The next frame that is given takes the number of the first one that was dropped."""
        while self._queued > self._sent:
            self._frames.pop()
        self._rest.clear()
        self._next = self._queued
        self._paused = False

    def progress(self) -> Progress:
        self._listen()
        return Progress(self._queued, self._sent, self._heard, self._confirmed)

    # ── for the lines ────────────────────────────────────────────────────────────────────────────────────────────

    def connect(self, line: Line) -> None:
        """Send over this line from now on, and over no other."""
        self._listen()
        self._line = line
        self._wake()

    def disconnect(self, line: Line) -> None:
        """What was heard over that line stays as it is known."""
        if line is self._line:
            self._listen()
            self._line = None

    @property
    def connected(self) -> bool:
        return self._line is not None

    def waits(self, line: Line) -> bool:
        """Whether there is a frame to send over that line now."""
        return line is self._line and not self._paused and self._next < self._queued

    def take(self, line: Line) -> tuple[int, bytes] | None:
        """The number and the sound of the next frame, which is being sent now."""
        if not self.waits(line):
            return None
        taken = self._next, self._frames[self._next - self._first]
        self._next += 1
        self._sent = max(self._sent, self._next)
        self._forget()
        return taken

    @property
    def _queued(self) -> int:
        return self._first + len(self._frames)

    def _wake(self) -> None:
        if self._line is not None and self.waits(self._line):
            self._line.wake()

    def _listen(self) -> None:
        """What was heard never becomes less; what was estimated may yet be confirmed."""
        if self._line is None:
            return
        heard, confirmed = self._line.heard()
        heard = min(heard, self._sent)
        if heard > self._heard:
            self._heard, self._confirmed = heard, confirmed
        elif heard == self._heard:
            self._confirmed = self._confirmed or confirmed

    def _forget(self) -> None:
        if len(self._frames) <= KEPT or self._next % KEPT:
            return
        self._listen()
        while self._first < min(self._heard, self._next) - KEPT:
            self._frames.popleft()
            self._first += 1
