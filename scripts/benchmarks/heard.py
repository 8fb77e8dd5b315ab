"""What becomes of a trace at a receiver: which packets were heard, how much later than they came, what was made up."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from actors.media import SPOKEN_RATE
from actors.runtime.owned import owned
from scripts.benchmarks.traces import TICKS, Trace, in_time, replay
from transport.webrtc.inbound import InboundAudio
from transport.webrtc.jitter import JitterBuffer, Packet, Released
from transport.webrtc.opus import Encoder

OPUS: Final = 96
"""The payload type aiortc offers Opus with."""
TAIL: Final = 0.3
"""Seconds after the last packet in which something may still be heard."""
CONNECTS: Final = 10.0


@dataclass
class Outcome:
    """By packet number: when each came (as they came), and when its sound was there. `concealed` in packets."""

    arrivals: list[tuple[float, int]] = field(default_factory=list)
    heard: dict[int, float] = field(default_factory=dict)
    concealed: int = 0

    @property
    def missed(self) -> int:
        """Packets that came in time and were not heard."""
        return len(in_time(self.arrivals) - set(self.heard))

    def delay(self, share: float) -> float:
        """Milliseconds between coming and being heard, which that share of the packets does not exceed."""
        delays = sorted(1000 * (self.heard[number] - at) for at, number in self.arrivals if number in self.heard)
        return delays[math.ceil(share * len(delays)) - 1]


Listening = Callable[[RTCRtpReceiver, Outcome], AbstractAsyncContextManager[None]]


class Watched(JitterBuffer):
    """Notes when each packet is released; what it holds is decoded at once."""

    def __init__(self, heard: dict[int, float]) -> None:
        super().__init__()
        self._heard = heard

    def release(self, now: float) -> list[Released]:
        released = super().release(now)
        self._heard |= {one.packet.timestamp // TICKS: now for one in released}
        return released


@asynccontextmanager
async def by_us(receiver: RTCRtpReceiver, outcome: Outcome) -> AsyncIterator[None]:
    inbound = InboundAudio(Counter())
    inbound.jitter = Watched(outcome.heard)
    inbound.listen(receiver)
    try:
        yield
    finally:
        outcome.concealed = inbound.counts.concealed
        inbound.close()


@asynccontextmanager
async def by_aiortc(receiver: RTCRtpReceiver, outcome: Outcome) -> AsyncIterator[None]:
    async def read() -> None:
        """Its timestamps begin with the first packet it decodes, which is the first that came."""
        while True:
            try:
                frame: Any = await receiver.track.recv()
            except MediaStreamError:
                return
            outcome.heard[outcome.arrivals[0][1] + frame.pts // TICKS] = asyncio.get_running_loop().time()

    async with owned(read(), "bench.stock", crashed):
        yield


async def over_loopback(trace: Trace, sounds: Sequence[bytes], listening: Listening) -> Outcome:
    """A caller whose packets fare as in the trace, and a callee that listens like that."""
    outcome = Outcome()
    async with peer() as caller, peer() as callee, AsyncExitStack() as heard:
        caller.addTrack(Mute())
        await caller.setLocalDescription(await caller.createOffer())
        await callee.setRemoteDescription(caller.localDescription)
        receiver = callee.getReceivers()[0]
        note_arrivals(receiver, outcome)
        await heard.enter_async_context(listening(receiver, outcome))
        await callee.setLocalDescription(await callee.createAnswer())
        await caller.setRemoteDescription(callee.localDescription)
        await connected(caller)
        await connected(callee)
        await replay(trace, sounds, to(caller))
        await asyncio.sleep(TAIL)
    return outcome


def note_arrivals(receiver: RTCRtpReceiver, outcome: Outcome) -> None:
    stock = receiver._handle_rtp_packet  # noqa: SLF001 - aiortc tells nobody when a packet comes

    async def received(packet: RtpPacket, arrival_time_ms: int) -> None:
        outcome.arrivals.append((asyncio.get_running_loop().time(), packet.timestamp // TICKS))
        await stock(packet, arrival_time_ms)

    receiver._handle_rtp_packet = received  # type: ignore[method-assign]  # noqa: SLF001 - as above


class Mute(MediaStreamTrack):
    """The bench sends packets itself."""

    kind = "audio"

    async def recv(self) -> Any:
        await asyncio.Event().wait()


@asynccontextmanager
async def peer() -> AsyncIterator[RTCPeerConnection]:
    made = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield made
    finally:
        await made.close()


async def connected(pc: RTCPeerConnection) -> None:
    async with asyncio.timeout(CONNECTS):
        while pc.connectionState != "connected":  # noqa: ASYNC110 - both may be before this looks
            await asyncio.sleep(0.01)


def to(pc: RTCPeerConnection) -> Callable[[Packet], Any]:
    """Sends packets past aiortc's own sender, which numbers them itself."""
    sender: Any = pc.getSenders()[0]

    async def send(packet: Packet) -> None:
        rtp = RtpPacket(OPUS, 0, packet.sequence, packet.timestamp, sender._ssrc, packet.payload)  # noqa: SLF001 - as above
        await sender.transport._send_rtp(rtp.serialize())  # noqa: SLF001 - as above

    return send


def voice(packets: int) -> list[bytes]:
    """Payloads of something like speech: four syllables a second, with the overtones of a voice."""
    at = np.arange(packets * Encoder.samples) / SPOKEN_RATE
    pitch = 2 * np.pi * np.cumsum(120 + 20 * np.sin(2 * np.pi * 0.7 * at)) / SPOKEN_RATE
    tones = sum(np.sin(n * pitch) / n for n in range(1, 25))
    sound = (4000 * tones * np.clip(np.sin(2 * np.pi * 2 * at), -0.2, 1) ** 2).astype("<i2").tobytes()
    encoder = Encoder()
    return [encoder.encode(sound[from_ : from_ + Encoder.size]) for from_ in range(0, len(sound), Encoder.size)]


def crashed(event: str, fields: dict[str, Any]) -> None:
    print(event, fields)
