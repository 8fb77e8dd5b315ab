"""What the client sends: its files as ready-made Opus packets on an absolute clock, silence in between."""

import asyncio
import fractions
import time
from collections import deque
from typing import Any, Final

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import Packet

from scripts.calling.sound import FRAME, RATE, Encoder, frames_of, is_loud

STEP: Final = FRAME / RATE
_QUIET: Final = bytes(2 * FRAME)


class Utterance:
    """A file's sound, encoded. Times are of the monotonic clock; they are set once it is being spoken."""

    def __init__(self, pcm: bytes) -> None:
        encoder = Encoder()
        frames = list(frames_of(pcm))
        loud = [place for place, frame in enumerate(frames) if is_loud(frame)]
        self.packets = [encoder.encode(frame) for frame in frames]
        self._first_loud = loud[0] if loud else 0
        self._last_loud = loud[-1] if loud else len(frames) - 1
        self._began: float | None = None
        self.ended = asyncio.Event()

    @property
    def seconds(self) -> float:
        return len(self.packets) * STEP

    def begin(self, now: float) -> None:
        self._began = now

    @property
    def voice_began(self) -> float:
        """When its first loud frame was sent. Raises RuntimeError before it is spoken."""
        return self._at(self._first_loud)

    @property
    def voice_ended(self) -> float:
        """When the last loud frame had been spoken whole, as a microphone would have it."""
        return self._at(self._last_loud)

    def _at(self, frame: int) -> float:
        if self._began is None:
            raise RuntimeError("not spoken yet")
        return self._began + frame * STEP


class Mouth(MediaStreamTrack):
    """Sends something every 20 ms, as a browser does; what is given to `speak` follows in order."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[Utterance] = deque()
        self._place = 0
        self._sent = 0
        self._start: float | None = None
        self._encoder = Encoder()

    def speak(self, utterance: Utterance) -> None:
        self._queue.append(utterance)

    async def recv(self) -> "Packet[Any]":
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        self._start = self._start or now
        due = self._start + self._sent * STEP
        if due > now:
            await asyncio.sleep(due - now)
        packet: Packet[Any] = Packet(self._next())
        packet.pts, packet.time_base = self._sent * FRAME, fractions.Fraction(1, RATE)
        self._sent += 1
        return packet

    def _next(self) -> bytes:
        if not self._queue:
            return self._encoder.encode(_QUIET)
        spoken = self._queue[0]
        if self._place == 0:
            spoken.begin(time.monotonic())
        packet = spoken.packets[self._place]
        self._place += 1
        if self._place == len(spoken.packets):
            self._queue.popleft()
            self._place = 0
            spoken.ended.set()
        return packet
