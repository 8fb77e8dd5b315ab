"""What the client sends: its files as ready-made Opus packets on an absolute clock, silence in between."""

import asyncio
import fractions
import math
import time
from collections import deque
from typing import Any, Final

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import Packet

from scripts.calling.sound import FRAME, RATE, Encoder, frames_of, is_loud

STEP: Final = FRAME / RATE
LATE: Final = 0.06
"""Seconds; a microphone that comes later than that leaves sound out, it sends none faster."""


class Recording:
    """A file's sound, encoded: making one takes longer than a packet's time, so it is made before the call."""

    def __init__(self, pcm: bytes) -> None:
        encoder = Encoder()
        frames = list(frames_of(pcm))
        loud = [place for place, frame in enumerate(frames) if is_loud(frame)] or [0]
        self.packets = [encoder.encode(frame) for frame in frames]
        self.first_loud, self.last_loud = loud[0], loud[-1]


class Utterance:
    """A recording that is spoken once; of plain sound one is made first.

    `voice_began`, `voice_ended`: when its first and its last loud packet were sent, on the monotonic clock.
    """

    def __init__(self, sound: Recording | bytes) -> None:
        self.voice_began = self.voice_ended = math.nan
        self.ended = asyncio.Event()
        self._recording = Recording(sound) if isinstance(sound, bytes) else sound
        self._place = 0

    def next(self, now: float) -> bytes:
        """The packet that is sent now."""
        recording, place = self._recording, self._place
        if place == recording.first_loud:
            self.voice_began = now
        if place == recording.last_loud:
            self.voice_ended = now
        self._place += 1
        if self._place == len(recording.packets):
            self.ended.set()
        return recording.packets[place]


class Track(MediaStreamTrack):
    """What a mouth says into one connection, which stops it when it ends."""

    kind = "audio"

    def __init__(self, mouth: "Mouth") -> None:
        super().__init__()
        self._mouth = mouth

    async def recv(self) -> "Packet[Any]":
        if self.readyState != "live":
            raise MediaStreamError
        return await self._mouth.packet()


class Mouth:
    """Says something every 20 ms, as a browser does; what is given to `speak` follows in order."""

    def __init__(self) -> None:
        self._queue: deque[Utterance] = deque()
        self._due: float | None = None
        self._place = 0
        self._quiet = Encoder().encode(bytes(2 * FRAME))

    def speak(self, utterance: Utterance) -> None:
        self._queue.append(utterance)

    async def packet(self) -> "Packet[Any]":
        now = time.monotonic()
        self._due = self._due or now
        if self._due > now:
            await asyncio.sleep(self._due - now)
        elif now - self._due > LATE:
            self._place += int((now - self._due) / STEP) * FRAME
            self._due = now
        packet: Packet[Any] = Packet(self._next())
        packet.pts, packet.time_base = self._place, fractions.Fraction(1, RATE)
        self._place += FRAME
        self._due += STEP
        return packet

    def _next(self) -> bytes:
        if not self._queue:
            return self._quiet
        packet = self._queue[0].next(time.monotonic())
        if self._queue[0].ended.is_set():
            self._queue.popleft()
        return packet
