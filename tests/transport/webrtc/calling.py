"""A client as apps are: stock aiortc with a microphone and a data channel, which keeps what it is sent."""

import asyncio
import fractions
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from av import AudioFrame

from actors.media import PeerState, Voice
from tests.transport.webrtc.tones import tone
from transport.webrtc.ice_servers import IceServers
from transport.webrtc.opus import Decoder
from transport.webrtc.peers import Network, RtcPeer, RtcPeers

RATE = 48_000
FRAME = RATE // 50


def peers(most: int = 4, servers: IceServers | None = None) -> RtcPeers:
    return RtcPeers(Network(servers or IceServers((), (), "", 0, lambda: 0), loopback=True), most, _report)


def _report(event: str, fields: dict[str, Any]) -> None:
    raise AssertionError(event, fields)


class Microphone(MediaStreamTrack):
    """A tone, as it is spoken."""

    kind = "audio"

    def __init__(self, hertz: float = 440) -> None:
        super().__init__()
        self._sound = tone(hertz, 1, RATE)
        self._sent = 0
        self._began = 0.0
        self.speaking = asyncio.Event()
        self.speaking.set()

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(self._began + self._sent * 0.02 - loop.time())
        await self.speaking.wait()
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME)
        at = self._sent * FRAME * 2 % len(self._sound)
        frame.planes[0].update(self._sound[at : at + FRAME * 2])
        frame.pts, frame.sample_rate, frame.time_base = self._sent * FRAME, RATE, fractions.Fraction(1, RATE)
        self._sent += 1
        return frame


class Client:
    """Takes each packet as it comes: `packets` are (time, RTP time, payload)."""

    def __init__(self, *, channel_first: bool = False) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], alwaysNegotiateDataChannels=channel_first))
        self.microphone = Microphone()
        self.packets: list[tuple[float, int, bytes]] = []
        self.pings: list[int] = []
        self.states: list[PeerState] = []
        self.answers = True
        self.channel: RTCDataChannel | None = None
        self.pc.addTrack(self.microphone)
        receiver = self.pc.getReceivers()[0]
        stock = receiver._handle_rtp_packet

        async def received(packet: RtpPacket, arrival_time_ms: int) -> None:
            self.packets.append((asyncio.get_running_loop().time(), packet.timestamp, packet.payload))
            await stock(packet, arrival_time_ms)

        receiver._handle_rtp_packet = received  # type: ignore[method-assign]  # the far end of a wire may look at it

    def open_channel(self, label: str = "lifebuddy") -> RTCDataChannel:
        channel = self.pc.createDataChannel(label, ordered=False, maxRetransmits=0)
        channel.on("message", self._message)
        self.channel = channel
        return channel

    async def offer(self) -> str:
        await self.pc.setLocalDescription()
        return self.pc.localDescription.sdp

    async def take(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    def state(self, state: PeerState) -> None:
        self.states.append(state)

    def pong(self, n: int) -> dict[str, Any]:
        """What a browser answers that plays each packet 40 ms after it came."""
        now = asyncio.get_running_loop().time()
        played = [rtp for at, rtp, _ in self.packets if at <= now - 0.04]
        return {"t": "pong", "n": n, "rtp": played[-1] if played else None, "out_ms": 10, "concealed": 0, "lost": 0}

    def sound(self, since: float = 0.0) -> list[tuple[float, bytes]]:
        """What each packet says, at 16 kHz, by the time it came."""
        decoder = Decoder()
        decoded = [(at, decoder.decode(payload)) for at, _, payload in self.packets]
        return [(at, pcm) for at, pcm in decoded if at >= since]

    def _message(self, message: Any) -> None:
        ping = json.loads(message)
        self.pings.append(ping["n"])
        if self.answers and self.channel is not None:
            self.channel.send(json.dumps(self.pong(ping["n"])))


@asynccontextmanager
async def call(node: RtcPeers, voice: Voice, *, channel: bool = True) -> AsyncIterator[tuple[Client, RtcPeer]]:
    """A client whose call is connected."""
    client = Client()
    if channel:
        client.open_channel()
    try:
        peer = await node.answer(await client.offer(), voice, client.state)
        await client.take(peer.sdp)
        await until(lambda: "connected" in client.states)
        yield client, peer
        await peer.close()
    finally:
        await client.pc.close()


async def until(reached: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not reached():  # noqa: ASYNC110 - what is awaited has no event
            await asyncio.sleep(0.005)
