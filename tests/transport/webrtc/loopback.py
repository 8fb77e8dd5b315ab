"""Two peer connections on loopback: one sends ready-made packets, the other is what a test makes of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from av import Packet

from tests.transport.webrtc.calling import until

CLOCK = Fraction(1, 48_000)


class Sounds(MediaStreamTrack):
    """Payloads of 20 ms each, in time; None: nothing is sent then. Ends after the last."""

    kind = "audio"

    def __init__(self, sounds: Sequence[bytes | None]) -> None:
        super().__init__()
        self._sounds = iter(enumerate(sounds))
        self._began: float | None = None

    async def recv(self) -> "Packet[Any]":  # av is generic in its stubs only
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        for n, sound in self._sounds:
            await asyncio.sleep(max(0.0, self._began + n * 0.02 - loop.time()))
            if sound is not None:
                packet = Packet(sound)
                packet.pts, packet.time_base = n * 960, CLOCK
                return packet
        raise MediaStreamError


@asynccontextmanager
async def connected(track: MediaStreamTrack, callee: RTCPeerConnection) -> AsyncIterator[RTCPeerConnection]:
    """A caller who sends that track to the callee; both end afterwards."""
    caller = peer_connection()
    try:
        caller.addTrack(track)
        await caller.setLocalDescription(await caller.createOffer())
        await callee.setRemoteDescription(caller.localDescription)
        await callee.setLocalDescription(await callee.createAnswer())
        await caller.setRemoteDescription(callee.localDescription)
        await until(lambda: {caller.connectionState, callee.connectionState} == {"connected"})
        yield caller
    finally:
        await asyncio.gather(caller.close(), callee.close())


def peer_connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))
