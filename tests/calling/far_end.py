"""Whom the client calls in these tests: a stock peer connection that listens, then answers with a tone."""

import asyncio
import fractions
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import Packet

from scripts.calling.line import loopback_offered
from scripts.calling.sound import FRAME, RATE, Decoder, Encoder, frames_of, is_loud

WAITS = 0.3  # seconds of silence after which it takes the caller to have finished
TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.int16).tobytes()  # one second


class Voice(MediaStreamTrack):
    """Sends nothing while it has nothing to say; its timestamps go on."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._encoder = Encoder()
        self._frames: list[bytes] = []
        self._began = time.monotonic()
        self._sent = 0

    def say(self, pcm: bytes) -> None:
        self._frames += frames_of(pcm + bytes(10 * FRAME))

    def hush(self) -> None:
        self._frames = [bytes(2 * FRAME)] * 5

    async def recv(self) -> "Packet[Any]":
        while True:
            if self.readyState != "live":
                raise MediaStreamError
            self._sent += 1
            await asyncio.sleep(max(0, self._began + self._sent * FRAME / RATE - time.monotonic()))
            if self._frames:
                packet: Packet[Any] = Packet(self._encoder.encode(self._frames.pop(0)))
                packet.pts, packet.time_base = self._sent * FRAME, fractions.Fraction(1, RATE)
                return packet


class FarEnd:
    """`received` counts packets, `pongs` are what the data channel was told."""

    def __init__(self) -> None:
        self.voice = Voice()
        self.pongs: list[dict[str, Any]] = []
        self.received = 0
        self.spoken_until = float("inf")
        self._decoder = Decoder()
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._peer.on("track", self._listen)
        self._peer.on("datachannel", self._ask)
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self._peer.addTrack(self.voice)
        await self._peer.setLocalDescription(await self._peer.createAnswer())
        return str(self._peer.localDescription.sdp)

    def vanish(self) -> None:
        """Nothing leaves it any more, and nobody is told."""

        async def nowhere(_: bytes) -> None: ...

        for sender in self._peer.getSenders():
            transport: Any = sender.transport.transport
            transport._send = nowhere

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        await self._peer.close()

    def add(self, packet: Any) -> tuple[bool, None]:
        """In place of the jitter buffer. Answers once the caller is silent; falls silent when they speak."""
        self.received += 1
        now = time.monotonic()
        if is_loud(self._decoder.decode(packet.payload)):
            self.voice.hush()
            self.spoken_until = now
        elif now - self.spoken_until > WAITS:
            self.spoken_until = float("inf")
            self.voice.say(TONE)
        return False, None

    def _listen(self, track: MediaStreamTrack) -> None:
        receiver: Any = next(one for one in self._peer.getReceivers() if one.track is track)
        receiver._RTCRtpReceiver__jitter_buffer = self

    def _ask(self, channel: Any) -> None:
        channel.on("message", lambda text: self.pongs.append(json.loads(text)))
        self._asking = asyncio.create_task(self._ping(channel), name="far_end.ping")

    async def _ping(self, channel: Any) -> None:
        for number in itertools.count():
            channel.send(json.dumps({"t": "ping", "n": number}))
            await asyncio.sleep(0.1)


@asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    end = FarEnd()
    try:
        with loopback_offered():
            yield end
    finally:
        await end.close()
