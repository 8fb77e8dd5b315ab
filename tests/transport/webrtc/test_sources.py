"""A peer that names a source per packet, or sends what is no sound: its call goes on, and nothing grows."""

import asyncio
import random
from collections import Counter
from typing import Any

import pylibsrtp
import pytest
from aiortc.rtp import RtpPacket

from actors.media import HEARD_RATE, Heard
from tests.transport.webrtc.loopback import Sounds, connected, peer_connection
from tests.transport.webrtc.streams import spoken
from tests.transport.webrtc.tones import pitch
from transport.webrtc.inbound import InboundAudio
from transport.webrtc.seams.host_addresses import loopback_only
from transport.webrtc.seams.sources import SOURCES, bound
from transport.webrtc.seams.unfit import UNFIT

OPUS = 96


async def test_who_was_hostile_is_heard_again_and_left_nothing_behind() -> None:
    """Beside its voice: strange sources, receiver reports of them, padding that lies, replays, datagrams too long."""
    callee, inbound = peer_connection(), InboundAudio(Counter())
    callee.on("track", lambda _: inbound.listen(callee.getReceivers()[0]))
    heard: list[Heard] = []
    with loopback_only():
        async with connected(Sounds(spoken(3, hertz=440)), callee) as caller:
            transport: Any = callee.getReceivers()[0].transport
            assert _session(transport).__class__ is pylibsrtp.Session
            bound(callee)
            bound(callee)
            await _attack(caller.getSenders()[0].transport, inbound)
            await inbound.hear()  # what came meanwhile
            async with asyncio.timeout(5):
                while len(heard) < 40:
                    heard += await inbound.hear()
            assert len(_session(transport)._sources) == SOURCES
            assert len(transport._rtp_router.ssrc_table) <= SOURCES + 1
            receiver: Any = callee.getReceivers()[0]
            assert len(receiver._RTCRtpReceiver__remote_streams) <= SOURCES
            assert not receiver._RTCRtpReceiver__rtcp_task.done()
            with pytest.raises(pylibsrtp.Error):
                _session(transport)._session.remove_stream(1000)  # was forgotten
            assert callee.connectionState == "connected"
            inbound.close()
    assert pitch(b"".join(one.pcm for one in heard[-20:]), HEARD_RATE) == pytest.approx(440, abs=10)
    assert inbound.jitter.counts.strange > 100
    assert UNFIT["sources"] == 0


def _session(transport: Any) -> Any:
    return transport._rx_srtp


async def _attack(transport: Any, inbound: InboundAudio) -> None:
    random.seed(3)
    sound = spoken(0.2)[5]
    sealed: list[bytes] = []
    send = transport.transport._send

    async def noted(datagram: bytes) -> None:
        sealed.append(datagram)
        await send(datagram)

    transport.transport._send = noted
    for n in range(400):
        await transport._send_rtp(RtpPacket(OPUS, 0, n, n * 960, 1000 + n, sound).serialize())
        header = RtpPacket(OPUS, 0, n, n, 5000 + n, b"").serialize()
        await transport._send_rtp(bytes([header[0] | 0x20]) + header[1:] + random.randbytes(random.randrange(70)))
        await transport._send_rtp(bytes([0x80, 201, 0, 1]) + (9000 + n).to_bytes(4, "big"))
        await send(random.choice(sealed))
        await asyncio.sleep(0.001)
    await send(bytes([0x80, OPUS]) + bytes(3000))


async def test_where_the_seam_is_another_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = UNFIT["sources"]
    callee = peer_connection()
    callee.addTransceiver("audio")
    bound(callee)  # not connected: there is no session yet
    assert UNFIT["sources"] == before + 1
    await callee.close()
    UNFIT["sources"] = before
