"""The client's end of a call: one voice each way, and the data channel on which the server asks how far it was heard."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

import aioice.ice
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)

from actors.runtime.outside import Report
from actors.runtime.owned import owned
from scripts.calling.ear import Ear
from scripts.calling.mouth import Mouth
from scripts.calling.shaping import Shaping, Weather
from scripts.calling.wire import Wire

CHANNEL: Final = "lifebuddy"
LOOPBACK: Final = "127.0.0.1"


class Line:
    """Made by `line`. `offer`, have it answered elsewhere, `accept`; then speak and listen."""

    def __init__(self, peer: RTCPeerConnection, shaping: Shaping) -> None:
        self.mouth = Mouth()
        self.ear = Ear(time.monotonic())
        self.shaping = shaping
        self.pings = 0
        self.connected = asyncio.Event()
        self._peer = peer
        self._peer.on("track", self._on_track)
        self._peer.on("connectionstatechange", self._on_state)
        self._sender = peer.addTrack(self.mouth)
        self._channel = peer.createDataChannel(CHANNEL, ordered=False, maxRetransmits=0)
        self._channel.on("message", self._on_message)

    async def offer(self) -> str:
        """With all candidates."""
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Raises ValueError for what is no answer."""
        await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def shape(self) -> Wire:
        """Put a wire under the voice; the transport is there from the start."""
        transport: Any = self._sender.transport.transport
        wire = Wire(transport._send, self.shaping)  # noqa: SLF001 - what DTLS hands its packets to
        transport._send = wire.send  # noqa: SLF001 - as above
        return wire

    def _on_state(self) -> None:
        if self._peer.connectionState == "connected":
            self.connected.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        """The ear takes packets as they come off the wire: a jitter buffer's delay would be taken for the server's."""
        receiver: Any = next(one for one in self._peer.getReceivers() if one.track is track)
        receiver._RTCRtpReceiver__jitter_buffer = self.ear  # noqa: SLF001 - aiortc has no other way in

    def _on_message(self, text: str | bytes) -> None:
        told = json.loads(text)
        if told.get("t") == "ping" and self._channel.readyState == "open":
            self.pings += 1
            self._channel.send(json.dumps(self._pong(told["n"])))

    def _pong(self, number: int) -> dict[str, Any]:
        """`rtp` is left out before anything was played; this player has no output latency and conceals nothing."""
        player = self.ear.player
        rtp = player.playing(time.monotonic())
        played = {} if rtp is None else {"rtp": rtp}
        return {"t": "pong", "n": number, **played, "out_ms": 0, "concealed": 0, "lost": player.lost}


@asynccontextmanager
async def line(
    weather: Weather, ice_servers: Sequence[Mapping[str, Any]] = (), *, near: bool, report: Report
) -> AsyncIterator[Line]:
    """`near`: the server is on this machine, which may have no other address than loopback."""
    servers = [RTCIceServer(**server) for server in ice_servers]
    async with AsyncExitStack() as opened:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        opened.push_async_callback(peer.close)
        if near:
            opened.enter_context(loopback_offered())
        made = Line(peer, Shaping(weather))
        if not weather.clear:
            await opened.enter_async_context(owned(made.shape().run(), "say.wire", report))
        yield made


@contextmanager
def loopback_offered() -> Iterator[None]:
    """Aioice never offers 127.0.0.1; while this is open, it does."""
    gather = aioice.ice.get_host_addresses

    def with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001 - as aioice has it
        return [*gather(use_ipv4, use_ipv6), *([LOOPBACK] if use_ipv4 else [])]

    aioice.ice.get_host_addresses = with_loopback
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = gather
