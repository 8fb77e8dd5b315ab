"""The user's voice as it comes over one peer connection: RTP packets in, PCM at 16 kHz out."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import structlog
from aiortc import RTCRtpReceiver

from actors.alarm import Alarm
from actors.media import FRAME, HEARD_RATE, Heard
from transport.asking import crash_site
from transport.webrtc.jitter import JitterBuffer, Packet, Released
from transport.webrtc.opus import SAMPLE, Decoder, OpusError, carries_previous, samples_in
from transport.webrtc.seams import tap
from transport.webrtc.stock import stock_frames

log = structlog.get_logger(__name__)

HELD: Final = HEARD_RATE
"""Samples that wait to be heard at most: 1 s. The oldest are dropped and counted."""
CONCEALED: Final = HEARD_RATE // 10
"""Samples made up for one gap at most; what is made up has faded out by then."""
PACE: Final = 2.0
"""Seconds of sound a second that are decoded; a sender of more is dropped down to that, and counted."""
BURST: Final = 5.0
"""Seconds of sound that may come at once, after a hole in the network."""
TOLD: Final = 500
"""Packets after which the node's tally is brought up to date: 10 s."""


class Counts(msgspec.Struct):
    """Frames: lost ones `recovered` from the packet after them or `concealed`, `garbage` that no decoder takes, `flooded`
    packets beyond the pace, those `dropped` as nobody heard them, and packets that `failed` by a bug of ours.
    """

    received: int = 0
    recovered: int = 0
    concealed: int = 0
    garbage: int = 0
    flooded: int = 0
    dropped: int = 0
    failed: int = 0


class InboundAudio:
    """Of one peer connection, in its loop. `tally`: the node's sums, by kind (`sound_lost`, …; the delay in milliseconds).

    `alive_at`: the loop's time of the newest packet, 0 before the first. `waiting`: samples nobody has heard yet.
    """

    def __init__(self, tally: Counter[str]) -> None:
        self.counts = Counts()
        self.jitter = JitterBuffer()
        self.alive_at = 0.0
        self.waiting = 0
        self._tally, self._told = tally, Counter[str]()
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._ssrc: int | None = None
        self._frame = round(FRAME * HEARD_RATE)
        self._credit, self._credited = BURST, self._loop.time()
        self._heard: deque[Heard] = deque()
        self._more = asyncio.Event()
        self._closed = self._listening = False
        self._overdue = Alarm()
        self._stock: asyncio.Task[None] | None = None

    def listen(self, receiver: RTCRtpReceiver) -> None:
        """To be called when its track is announced, before packets come. A second one is not listened to."""
        if self._listening:
            return
        self._listening = True
        if not tap.install(receiver, self.receive):
            self._stock = asyncio.create_task(self._hear_stock(receiver), name="inbound-audio")

    @property
    def is_stock(self) -> bool:
        """Whether aiortc's own jitter buffer and decoder are at work."""
        return self._stock is not None

    async def hear(self) -> Sequence[Heard]:
        """What has come since, at least one frame. Raises EOFError once it is closed and all was heard."""
        while not self._heard:
            if self._closed:
                raise EOFError
            self._more.clear()
            await self._more.wait()
        heard = list(self._heard)
        self._heard.clear()
        self.waiting = 0
        return heard

    def close(self) -> None:
        """Harmless when it is closed."""
        self._closed = True
        self._tell()
        self._more.set()
        self._overdue.clear()
        if self._stock is not None:
            self._stock.cancel()

    def receive(self, packet: Packet) -> None:
        """Take a packet that came right now; it never raises, since aiortc would end the connection."""
        if self._closed:
            return
        try:
            self._take(packet)
        except Exception as error:  # noqa: BLE001 - a packet is lost by a bug, not the call
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.counts.failed += 1
        if self.counts.failed == 1:
            log.error("webrtc.packet_failed", **crash_site(error))

    def _take(self, packet: Packet) -> None:
        now = self.alive_at = self._loop.time()
        self.counts.received += 1
        if self.counts.received % TOLD == 0:
            self._tell()
        if self._affordable(packet.payload, now):
            self._play(self.jitter.add(packet, now), now)
        else:
            self.counts.flooded += 1

    def _affordable(self, payload: bytes, now: float) -> bool:
        self._credit = min(BURST, self._credit + PACE * (now - self._credited))
        self._credited = now
        seconds = self._samples(payload) / HEARD_RATE
        if seconds > self._credit:
            return False
        self._credit -= seconds
        return True

    def _play(self, released: Sequence[Released], now: float) -> None:
        for one in released:
            for pcm, concealed in self._sound(one):
                self._hold(Heard(pcm, now, concealed))
        self._overdue.set(self.jitter.next_deadline, self._waited)  # silence is not sent by everybody

    def _waited(self) -> None:
        now = self._loop.time()
        self._play(self.jitter.release(now), now)

    def _sound(self, released: Released) -> Iterator[tuple[bytes, bool]]:
        """What was lost, then the packet; a new stream has a decoder of its own."""
        payload = released.packet.payload
        if released.packet.ssrc != self._ssrc:
            self._ssrc, self._decoder = released.packet.ssrc, Decoder()
        if not payload:
            return
        yield from self._lost(released.lost, payload)
        try:
            pcm = self._decoder.decode(payload)
        except OpusError:
            self.counts.garbage += 1
            yield self._decoder.conceal(self._frame), True
        else:
            self._frame = len(pcm) // SAMPLE
            yield pcm, False

    def _lost(self, lost: int, payload: bytes) -> Iterator[tuple[bytes, bool]]:
        told = lost > 0 and carries_previous(payload)
        length = self._samples(payload)
        for _ in range(min(lost, CONCEALED // length) - told):
            self.counts.concealed += 1
            yield self._decoder.conceal(length), True
        if told:
            self.counts.recovered += 1
            yield self._decoder.recover(payload, length), False

    def _samples(self, payload: bytes) -> int:
        """In a packet; garbage is taken for one like the last."""
        try:
            return samples_in(payload) or self._frame
        except OpusError:
            return self._frame

    def _hold(self, heard: Heard) -> None:
        self._heard.append(heard)
        self.waiting += len(heard.pcm) // SAMPLE
        while self.waiting > HELD:
            self.waiting -= len(self._heard.popleft().pcm) // SAMPLE
            self.counts.dropped += 1
        self._more.set()

    def _tell(self) -> None:
        counts = {**msgspec.structs.asdict(self.jitter.counts), **msgspec.structs.asdict(self.counts)}
        total = Counter({f"sound_{kind}": int(count) for kind, count in counts.items() if kind != "delay"})
        total["sound_delay_ms"] = int(1000 * self.jitter.counts.delay)
        self._tally.update(total - self._told)
        self._told = total

    async def _hear_stock(self, receiver: RTCRtpReceiver) -> None:
        async for pcm in stock_frames(receiver.track):
            now = self.alive_at = self._loop.time()
            self._hold(Heard(pcm, now))
