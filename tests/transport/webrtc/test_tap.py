"""The seam in aiortc's receiver, as the installed version has it, and what goes through it."""

import asyncio
import inspect
import itertools
from collections import Counter

import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from actors.media import HEARD_RATE, Heard
from tests.transport.webrtc.loopback import Sounds, connected, peer_connection
from tests.transport.webrtc.streams import receiver, spoken
from tests.transport.webrtc.tones import pitch
from transport.webrtc.inbound import InboundAudio
from transport.webrtc.jitter import Packet
from transport.webrtc.seams import tap
from transport.webrtc.seams.host_addresses import loopback_only
from transport.webrtc.seams.unfit import UNFIT

TO_DECODE = "_RTCRtpReceiver__decoder_queue"
CODECS = {
    96: RTCRtpCodecParameters("audio/opus", 48_000, 2, 96),
    126: RTCRtpCodecParameters("audio/telephone-event", 8_000, 1, 126),
}


def test_the_seam_is_what_the_tap_takes_it_for() -> None:
    """When this fails, a new aiortc has other insides: calls are heard through its own buffer until the tap follows."""
    stock = receiver()
    assert type(getattr(stock, tap._BUFFER)) is JitterBuffer
    assert getattr(stock, tap._CODECS) == {}
    assert list(inspect.signature(JitterBuffer.add).parameters) == ["self", "packet"]
    received = inspect.getsource(RTCRtpReceiver._handle_rtp_packet)
    assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in received
    assert inspect.getsource(RTCRtpReceiver).count("__jitter_buffer.") == 1


async def test_packets_reach_it_and_nothing_reaches_aiortc_s_decoder() -> None:
    taken: list[Packet] = []
    tapped = receiver()
    setattr(tapped, tap._CODECS, CODECS)
    assert tap.install(tapped, taken.append)
    await tapped._handle_rtp_packet(RtpPacket(96, 1, 7, 960, 5, b"sound"), 0)
    await tapped._handle_rtp_packet(RtpPacket(126, 0, 8, 1920, 5, b"digit"), 0)
    await tapped._handle_rtp_packet(RtpPacket(33, 0, 9, 2880, 5, b"unknown"), 0)
    assert taken == [Packet(5, 7, 960, b"sound"), Packet(5, 8, 1920, b"")]
    assert getattr(tapped, TO_DECODE).empty()


def test_a_receiver_with_other_insides_is_left_as_it_is() -> None:
    other = receiver()
    buffer = getattr(other, tap._BUFFER)
    delattr(other, tap._CODECS)
    assert not tap.install(other, lambda _: None)
    assert getattr(other, tap._BUFFER) is buffer


async def test_over_two_peer_connections_all_is_heard_at_once() -> None:
    callee = peer_connection()
    inbound, heard = await _heard(callee, 50)
    counts = inbound.jitter.counts
    assert len(heard) == counts.released == 50
    assert (counts.late, counts.duplicate, counts.lost, inbound.counts.garbage) == (0, 0, 0, 0)
    assert pitch(b"".join(one.pcm for one in heard[10:]), HEARD_RATE) == pytest.approx(440, abs=5)
    assert counts.delay < 0.001
    gaps = sorted(later.at - earlier.at for earlier, later in itertools.pairwise(heard))
    assert gaps[len(gaps) // 2] == pytest.approx(0.02, abs=0.005)
    stats = await callee.getReceivers()[0].getStats()
    assert next(one.packetsReceived for one in stats.values() if one.type == "inbound-rtp") == 50


async def test_where_the_seam_is_another_it_is_heard_through_aiortc_s_own_buffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tap, "_BUFFER", "_RTCRtpReceiver__renamed")
    before = UNFIT["jitter_buffer"]
    inbound, heard = await _heard(peer_connection(), 40)
    assert inbound.is_stock
    assert UNFIT["jitter_buffer"] == before + 1
    assert inbound.alive_at == pytest.approx(asyncio.get_running_loop().time(), abs=0.5)
    assert {len(one.pcm) for one in heard} == {640}
    assert pitch(b"".join(one.pcm for one in heard[10:]), HEARD_RATE) == pytest.approx(440, abs=10)


async def _heard(callee: RTCPeerConnection, wanted: int) -> tuple[InboundAudio, list[Heard]]:
    """What a caller's tone of a second is, at the callee."""
    inbound, heard = InboundAudio(Counter()), list[Heard]()
    callee.on("track", lambda _: inbound.listen(callee.getReceivers()[0]))
    with loopback_only():
        async with connected(Sounds(spoken(1, hertz=440)), callee), asyncio.timeout(5):
            while len(heard) < wanted:
                heard += await inbound.hear()
            inbound.close()
    return inbound, heard
