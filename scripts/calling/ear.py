"""What the client hears: each packet as it comes off the wire, before any jitter buffer."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from scripts.calling.playing import Player
from scripts.calling.sound import RATE, Decoder, is_loud

LONGEST: Final = 600 * RATE
"""Samples kept of what was heard: ten minutes, then no more."""
STEADY: Final = 0.06
"""Seconds between two packets that were sent without a gap, at most: one of three may be lost."""
APART: Final = 0.3
"""Seconds without a loud packet between two stretches of voice."""
NEAR: Final = 0.2
"""Seconds by which the server may take the end of a voice for another than the client does."""


@dataclass
class Stretch:
    """Voice without a long pause: when its first and its last loud packet came."""

    began: float
    ended: float


class Ear:
    """Stands where aiortc has its jitter buffer: takes each packet, and never has a frame to decode.

    `since` is when the recording begins. Packets that come after a later one are counted and left out.
    """

    def __init__(self, since: float) -> None:
        self.player = Player()
        self.stretches: list[Stretch] = []
        self.packets = self.late = 0
        self.came = since
        """When the last packet did."""
        self._runs: list[list[float]] = []
        self._timestamp = 0
        self._began = 0, 0.0
        self._decoder = Decoder()
        self._heard = bytearray()
        self._since = since
        self._origin: int | None = None
        self._goes_on = False
        self._news = asyncio.Event()

    def add(self, packet: Any) -> tuple[bool, None]:
        """`aiortc.jitterbuffer.JitterBuffer.add`: no keyframe is asked for, and no frame is ready."""
        now = self.came = time.monotonic()
        self.packets += 1
        self.player.take(packet.timestamp, packet.sequence_number, now)
        self._time(packet.timestamp, now)
        if packet.payload:
            self._hear(packet.timestamp, self._decoder.decode(packet.payload), now)
        return False, None

    def renew(self) -> None:
        """What comes from now on comes over another connection, whose timestamps begin anew."""
        self.player, self._decoder, self._origin = Player(), Decoder(), None
        self._goes_on = False

    @property
    def heard(self) -> bytes:
        """PCM since the call began, with the silence that was not sent."""
        return bytes(self._heard)

    @property
    def last(self) -> float:
        """When the last loud packet came; minus infinity before the first."""
        return self.stretches[-1].ended if self.stretches else float("-inf")

    @property
    def lateness(self) -> list[float]:
        """Seconds each packet came later than the most punctual one of those sent without a gap."""
        return [offset - min(run) for run in self._runs for offset in run]

    async def voice_after(self, at: float) -> float:
        """When the first stretch began that began after then: waits for it."""
        while (began := self.began_after(at)) is None:
            self._news.clear()
            await self._news.wait()
        return began

    def began_after(self, at: float) -> float | None:
        """The same; None if there was none yet."""
        return next((stretch.began for stretch in self.stretches if stretch.began > at), None)

    def voice_from(self, at: float) -> float:
        """When what was sent about then began to be heard: at the start of a stretch, or within one that went on."""
        stretch = next((stretch for stretch in self.stretches if stretch.ended >= at - NEAR), None)
        return at if stretch is None or stretch.began < at - NEAR else stretch.began

    def stretch_at(self, at: float) -> Stretch | None:
        """The one that was going on then."""
        return next((stretch for stretch in self.stretches if stretch.began <= at <= stretch.ended + APART), None)

    def _hear(self, timestamp: int, pcm: bytes, now: float) -> None:
        if self._origin is None:
            self._origin = timestamp - round((now - self._since) * RATE)
        place = 2 * ((timestamp - self._origin) % 2**32)
        if place < len(self._heard):
            self.late += 1
        elif place + len(pcm) <= 2 * LONGEST:
            self._heard += bytes(place - len(self._heard)) + pcm
        if is_loud(pcm):
            self._note(now)

    def _time(self, timestamp: int, now: float) -> None:
        """How far the packet's arrival is from its place in time; only differences within a run mean anything."""
        if not self._goes_on or not 0 <= (timestamp - self._timestamp) % 2**32 <= STEADY * RATE:
            self._runs.append([])
            self._began = timestamp, now
        self._timestamp, self._goes_on = timestamp, True
        first, at = self._began
        self._runs[-1].append(now - at - ((timestamp - first) % 2**32) / RATE)

    def _note(self, now: float) -> None:
        if now - self.last > APART:
            self.stretches.append(Stretch(now, now))
        self.stretches[-1].ended = now
        self._news.set()
