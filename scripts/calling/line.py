"""The client's end of a call: one voice each way, and the data channel on which the server asks how far it was heard."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

import aioice.ice
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)

from actors.runtime.outside import Report
from actors.runtime.owned import owned
from scripts.calling.ear import Ear
from scripts.calling.mouth import Mouth, Track
from scripts.calling.shaping import Shaping, Weather
from scripts.calling.wire import Wire

CHANNEL: Final = "lifebuddy"
LOOPBACK: Final = "127.0.0.1"


class Line:
    """Made by `line`. `offer`, have it answered elsewhere, `accept`; then speak and listen.

    When the connection is lost: `renew`, and the same again. Mouth and ear stay.
    """

    def __init__(self, configuration: RTCConfiguration, shaping: Shaping) -> None:
        self.mouth = Mouth()
        self.ear = Ear(time.monotonic())
        self.shaping = shaping
        self.pings = 0
        self._configuration = configuration
        self._wire: Wire | None = None
        self._begin()

    def _begin(self) -> None:
        self.connected = asyncio.Event()
        self._peer = peer = RTCPeerConnection(self._configuration)
        peer.on("track", partial(self._on_track, peer))
        peer.on("connectionstatechange", partial(self._on_state, peer, self.connected))
        self._sender = peer.addTrack(Track(self.mouth))
        self._channel = peer.createDataChannel(CHANNEL, ordered=False, maxRetransmits=0)
        self._channel.on("message", partial(self._on_message, self._channel))
        if self._wire is not None:
            self._shape(self._wire)

    async def renew(self) -> None:
        """Another connection in the place of this one."""
        await self._peer.close()
        self.ear.renew()
        self._begin()

    async def close(self) -> None:
        await self._peer.close()

    @property
    def signs(self) -> tuple[int, int]:
        """Differs from before as soon as anything came."""
        return self.pings, self.ear.packets

    @property
    def is_broken(self) -> bool:
        """The connection itself says so; one whose other end has vanished does not for long."""
        return self._peer.connectionState in {"failed", "closed"}

    async def offer(self) -> str:
        """With all candidates."""
        await self._peer.setLocalDescription(await self._peer.createOffer())
        return str(self._peer.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        """Raises ValueError for what is no answer."""
        await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def shape(self) -> Wire:
        """Put a wire under the voice; the transport is there from the start."""
        wire = self._wire = Wire(self._transport._send, self.shaping)  # noqa: SLF001 - what DTLS hands its packets to
        self._shape(wire)
        return wire

    def _shape(self, wire: Wire) -> None:
        wire.onward = self._transport._send  # noqa: SLF001 - as above
        self._transport._send = wire.send  # noqa: SLF001 - as above

    @property
    def _transport(self) -> Any:
        return self._sender.transport.transport

    @staticmethod
    def _on_state(peer: RTCPeerConnection, connected: asyncio.Event) -> None:
        if peer.connectionState == "connected":
            connected.set()

    def _on_track(self, peer: RTCPeerConnection, track: MediaStreamTrack) -> None:
        """The ear takes packets as they come off the wire: a jitter buffer's delay would be taken for the server's."""
        receiver: Any = next(one for one in peer.getReceivers() if one.track is track)
        receiver._RTCRtpReceiver__jitter_buffer = self.ear  # noqa: SLF001 - aiortc has no other way in

    def _on_message(self, channel: RTCDataChannel, text: str | bytes) -> None:
        told = json.loads(text)
        if told.get("t") == "ping" and channel.readyState == "open":
            self.pings += 1
            channel.send(json.dumps(self._pong(told["n"])))

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
        made = Line(RTCConfiguration(iceServers=servers), Shaping(weather))
        opened.push_async_callback(made.close)
        if near:
            opened.enter_context(loopback_offered())
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
