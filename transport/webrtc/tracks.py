"""The track the coach's voice goes out on: ready-made Opus packets against an absolute clock."""

import asyncio
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import Packet

from actors.media import FRAME
from transport.webrtc.listened import CLOCK, SAMPLES, Listener, Runs
from transport.webrtc.opus import Encoder
from transport.webrtc.seams.rtp_time import rtp_time
from transport.webrtc.voice import CoachVoice

LATE: Final = 0.06
"""Seconds; later than that the media clock skips, so that nothing is sent in a burst."""
TAIL: Final = 5
"""Frames of silence after the last one: an abrupt end makes a player invent a fading voice for half a second."""
TIME_BASE: Final = Fraction(1, CLOCK)
SILENCE: Final = bytes(Encoder.size)
_MILLISECOND: Final = CLOCK // 1000
_WRAP: Final = 1 << 32


class MediaClock:
    """When the next packet is due, and where it stands: samples of 48 kHz since `began`, in real time."""

    def __init__(self, now: float) -> None:
        self.due = now
        self.end = 0
        """Where the last packet ends."""
        self.skipped = 0
        """Frames of time in which nothing was sent because this side came too late."""
        self._began = now

    def place(self, at: float) -> int:
        """The place that is sent at that time; whole milliseconds."""
        return max(0, int((at - self._began) * 1000) * _MILLISECOND)

    def start(self, now: float) -> None:
        """The next packet is due now, or at its time if that is still to come: there was nothing to send."""
        self.due = max(self.due, now)
        self.end = max(self.end, self.place(self.due))

    def tick(self, now: float) -> int:
        """The place of the packet that is sent now."""
        late = now - self.due
        if late > LATE:
            self.skipped += int(late / FRAME)
            self.start(now)
        place = self.end
        self.end += SAMPLES
        self.due += FRAME
        return place


class VoiceTrack(MediaStreamTrack):
    """`transport.webrtc.voice.Line`, over one peer connection; lives in its loop. `counts`: skipped, lies, …"""

    kind = "audio"

    def __init__(self, voice: CoachVoice, counts: Counter[str], alive_at: Callable[[], float]) -> None:
        """`alive_at`: the last sign of life of the listener; what is sent later is not heard until there is another."""
        super().__init__()
        self.sender: Any = None
        self._alive_at = alive_at
        self._voice = voice
        self._counts = counts
        self._now = asyncio.get_running_loop().time
        self._encoder = Encoder()
        self._clock = MediaClock(self._now())
        self._runs = Runs()
        self.listener = Listener(self._runs)
        self._woken = asyncio.Event()
        self._silences = TAIL
        self._last: int | None = None

    def wake(self) -> None:
        self._woken.set()

    def heard(self) -> tuple[int, bool]:
        now = self._now()
        return self.listener.heard(self._clock.place(min(now, self._alive_at())), now)

    def says(self, rtp: int, out: float) -> bool:
        """The listener's player plays what has this RTP time; False when that can't be."""
        return self.listener.says(rtp, out, self._clock.end, self._now())

    async def recv(self) -> "Packet[Any]":
        """The next packet when it is due. Raises MediaStreamError once the track was stopped."""
        self._learn_origin()
        await self._due()
        if self.readyState != "live":
            raise MediaStreamError
        now, skipped = self._now(), self._clock.skipped
        self._counts["packets"] += 1
        self._counts["late"] += now - self._clock.due > FRAME
        place = self._clock.tick(now)
        self._counts["skipped"] += self._clock.skipped - skipped
        packet: Packet[Any] = Packet(self._encoder.encode(self._sound(place)))
        packet.pts, packet.time_base = place, TIME_BASE
        self._last = place
        return packet

    def stop(self) -> None:
        super().stop()
        self._voice.disconnect(self)
        self._woken.set()

    def _sound(self, place: int) -> bytes:
        taken = self._voice.take(self)
        if taken is None:
            self._silences -= 1
            return SILENCE
        frame, pcm = taken
        self._runs.sent(place, frame)
        self._silences = TAIL
        return pcm

    async def _due(self) -> None:
        """Until the next frame's time, or until there is one; the clock is not late for what did not wait."""
        if self._silences > 0 or self._voice.waits(self):
            if self._last is None:
                self._clock.start(self._now())
            await asyncio.sleep(max(0.0, self._clock.due - self._now()))
            if self._silences > 0 or self._voice.waits(self):
                return
        while self.readyState == "live" and not self._voice.waits(self):
            self._woken.clear()
            await self._woken.wait()
        now = self._now()
        self._clock.start(now)
        self.listener.begins(now)

    def _learn_origin(self) -> None:
        """Whoever asks for the next packet has sent the last one."""
        if self.listener.origin is None and self._last is not None:
            time = rtp_time(self.sender)
            if time is not None:
                self.listener.origin = (time - self._last) % _WRAP
