"""A node's peer connections: accepted, counted, watched, and closed within their time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from actors.domain.refusals import BadCandidate, BadOffer
from actors.media import Heard, PeerState, Voice
from actors.runtime.envelope import Overloaded
from actors.runtime.outside import Report
from transport.webrtc.candidates import MOST, forbidden, read_candidate, useful
from transport.webrtc.heartbeat import Heartbeat
from transport.webrtc.ice_servers import IceServers
from transport.webrtc.inbound import InboundAudio
from transport.webrtc.offers import Offer, answer_of, read_offer
from transport.webrtc.seams.certificate import Certificate
from transport.webrtc.seams.connecting import Connecting
from transport.webrtc.seams.sources import bound
from transport.webrtc.seams.strangers import keep_out
from transport.webrtc.tracks import VoiceTrack
from transport.webrtc.voice import CoachVoice

EVERY: Final = 0.25
"""Seconds between two pings, and two looks at who is still there."""
SILENT: Final = 1.5
"""Seconds without sound and without pongs after which nobody is there."""
TRICKLE: Final = 10.0
"""Seconds for candidates; there are no more then, said or not."""
CONNECTS: Final = 20.0
"""Seconds in which an answered offer must become a connection."""
CLOSES: Final = 2.0
"""Seconds that closing may take."""

_UNUSABLE: Final = (
    *(ValueError, LookupError, AttributeError, TypeError, AssertionError),
    *(InternalError, InvalidAccessError, InvalidStateError, OperationError),
)
"""What aiortc stumbles with over an offer that passed our reading and still is none."""


@dataclass(frozen=True, slots=True)
class Network:
    """How clients reach this node. `advertised`: the public address in front of it; `loopback`: only this machine does."""

    servers: IceServers
    advertised: str | None = None
    loopback: bool = False
    public: bool = False


@dataclass(frozen=True, slots=True)
class House:
    """What all peers of a node share."""

    network: Network
    certificate: Certificate
    counts: Counter[str]
    report: Report


class RtcPeer:
    """`actors.media.Peer` by aiortc."""

    def __init__(self, house: House, voice: CoachVoice, on_state: Callable[[PeerState], None]) -> None:
        loop = asyncio.get_running_loop()
        self._house = house
        self._voice = voice
        self._on_state = on_state
        self._now = loop.time
        self._inbound = InboundAudio(house.counts)
        self._track = VoiceTrack(voice, house.counts, self._alive_at)
        self._heartbeat = Heartbeat(self._track.says, house.counts, self._now)
        self._pc: RTCPeerConnection | None = None
        self._connecting: Connecting | None = None
        self._mids: Sequence[str] = ()
        self._sdp = ""
        self._candidates = 0
        self._began = self._now()
        self._connected_at: float | None = None
        self._watching: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.on_gone: Callable[[RtcPeer], None] = lambda _: None

    @property
    def sdp(self) -> str:
        return self._sdp

    async def answer(self, offer: Offer) -> None:
        """Raises BadOffer, and what aiortc raises over an offer it can't use."""
        pc = self._pc = self._open(offer)
        await pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await pc.setLocalDescription()
        keep_out(pc, self._house.counts)
        private = [line.split()[4] for line in pc.localDescription.sdp.splitlines() if line.startswith("a=candidate:")]
        self._sdp = answer_of(pc.localDescription.sdp, self._house.network.advertised, private)
        for candidate in offer.candidates:
            try:
                await self._add(candidate)
            except BadCandidate:
                self._house.counts["candidates_unread"] += 1
        if offer.complete:
            await pc.addIceCandidate(None)
        self._voice.connect(self._track)
        self._watching = asyncio.create_task(self._watch(), name="peer.watch")
        self._watching.add_done_callback(self._watched)

    async def hear(self) -> Sequence[Heard]:
        return await self._inbound.hear()

    async def add_candidate(self, candidate: str | None, sdp_mid: str | None, sdp_mline_index: int | None) -> None:
        """All lines share one connection: it does not matter for which of them a candidate is, but it is for one of them."""
        if self._closing is not None or self._pc is None or not self._names_a_line(sdp_mid, sdp_mline_index):
            raise BadCandidate
        if not candidate:
            await self._pc.addIceCandidate(None)
        else:
            await self._add(candidate)

    def ask_heard(self) -> None:
        self._heartbeat.ping()

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="peer.close")
        await asyncio.shield(self._closing)

    def _open(self, offer: Offer) -> RTCPeerConnection:
        network = self._house.network
        direct = network.loopback or network.public
        pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[] if direct else network.servers.for_node(),
                # With another line first, aiortc stops the transport that lines share when they are so from the start.
                bundlePolicy=RTCBundlePolicy.MAX_BUNDLE if offer.sound_first else RTCBundlePolicy.BALANCED,
            )
        )
        self._connecting = Connecting(pc)
        self._house.certificate.give(pc)
        self._mids = offer.mids
        self._track.sender = pc.addTrack(self._track)
        opus = [one for one in RTCRtpSender.getCapabilities("audio").codecs if one.mimeType.lower() == "audio/opus"]
        pc.getTransceivers()[0].setCodecPreferences(opus)
        pc.on("track", lambda _: self._inbound.listen(pc.getReceivers()[0]))
        pc.on("datachannel", self._heartbeat.opened)
        pc.on("connectionstatechange", self._moved)
        return pc

    async def _add(self, text: str) -> None:
        candidate, counts, network = read_candidate(text), self._house.counts, self._house.network
        if forbidden(candidate, loopback=network.loopback, public=network.public) and useful(candidate):
            counts["candidates_forbidden"] += 1
        elif self._candidates >= MOST:
            counts["candidates_many"] += 1
        elif useful(candidate) and self._pc is not None:
            self._candidates += 1
            candidate.sdpMid = self._mids[0]
            await self._pc.addIceCandidate(candidate)

    def _names_a_line(self, mid: str | None, index: int | None) -> bool:
        return (mid is None or mid in self._mids) and (index is None or 0 <= index < len(self._mids))

    def _alive_at(self) -> float:
        """When there last was a sign of whoever listens."""
        return max(self._heartbeat.alive_at, self._inbound.alive_at, self._connected_at or 0.0)

    def _moved(self) -> None:
        pc = self._pc
        state = "closed" if pc is None else pc.connectionState
        if pc is not None and state == "connected" and self._connected_at is None and self._closing is None:
            bound(pc)
            self._connected_at = self._now()
            self._on_state("connected")
        elif state in {"failed", "closed"}:
            self._end()

    def _end(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="peer.close")

    async def _watch(self) -> None:
        """Pings, and tells who falls silent and who is there again; a connection that does not come is given up."""
        if not await self._connects():
            self._end()
            return
        silent = False
        while True:
            await asyncio.sleep(EVERY)
            self._heartbeat.ping()
            if self._heartbeat.flooded and self._pc is not None and self._pc.sctp is not None:
                await self._pc.sctp.stop()
            if silent != (self._now() - self._alive_at() > SILENT):
                silent = not silent
                self._on_state("silent" if silent else "heard")

    async def _connects(self) -> bool:
        ended = False
        while self._connected_at is None:
            await asyncio.sleep(EVERY)
            since = self._now() - self._began
            if since > CONNECTS or self._pc is None:
                return False
            if since > TRICKLE and not ended:
                ended = True
                await self._pc.addIceCandidate(None)
        return True

    def _watched(self, task: asyncio.Task[None]) -> None:
        problem = None if task.cancelled() else task.exception()
        if problem is not None:
            self._house.report("task.crashed", {"task": "peer.watch", "error": type(problem).__name__})
            self._end()

    async def _close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._voice.disconnect(self._track)
        self._inbound.close()
        if self._sdp:
            self._on_state("closed")
        try:
            if self._pc is not None:
                async with asyncio.timeout(CLOSES):
                    if self._connecting is not None:
                        await self._connecting.give_up()
                    await self._pc.close()
        except TimeoutError:
            self._house.counts["close_overstayed"] += 1
        finally:
            self._track.stop()
            self.on_gone(self)


class RtcPeers:
    """`actors.media.Peers` by aiortc. At most `most` calls at once; one that attaches again may overlap with itself."""

    def __init__(self, network: Network, most: int, report: Report) -> None:
        self.counts: Counter[str] = Counter()
        """For `/metrics`, by kind. Of the coach's voice: `packets`; `late` ones, by more than 20 ms; frames of time `skipped`;
        what players lost and made up (`player_…`). Of users' voices: `sound_…`. Dropped: `candidates_…`, `channel_…`,
        `pong_lies`, `strangers`, `stun_garbage`, `flooded`. `close_overstayed`: connections that did not end in time.
        """
        self._house = House(network, Certificate(), self.counts, report)
        self._most = most
        self._open: set[RtcPeer] = set()

    def __len__(self) -> int:
        """Peer connections that are open."""
        return len(self._open)

    def voice(self) -> CoachVoice:
        return CoachVoice()

    async def answer(self, sdp: str, voice: Voice, on_state: Callable[[PeerState], None]) -> RtcPeer:
        if not isinstance(voice, CoachVoice):
            raise TypeError("the voice is of other peers")
        offer = read_offer(sdp)
        if len(self._open) >= self._most * (2 if voice.connected else 1):
            raise Overloaded
        peer = RtcPeer(self._house, voice, on_state)
        peer.on_gone = self._open.discard
        self._open.add(peer)
        try:
            await peer.answer(offer)
        except BaseException as problem:
            await peer.close()
            if isinstance(problem, _UNUSABLE):
                raise BadOffer from problem
            raise
        return peer

    def ice_servers(self, user_id: str) -> Sequence[Mapping[str, Any]]:
        return self._house.network.servers.for_user(user_id)

    async def close(self) -> None:
        """All of them, at once, each within its time; there are no more from now on."""
        self._most = 0
        await asyncio.gather(*(peer.close() for peer in list(self._open)))
