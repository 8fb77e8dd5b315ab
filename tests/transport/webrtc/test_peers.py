"""Peer connections on loopback: sound both ways, and what becomes of a call."""

from collections.abc import AsyncIterator, Iterator

import pytest

from actors.media import HEARD_RATE, SPOKEN_RATE
from tests.transport.webrtc.calling import call, peers, until
from tests.transport.webrtc.tones import loudness, pitch, tone
from transport.webrtc.peers import RtcPeers
from transport.webrtc.seams.host_addresses import loopback_only

LOUD = 2000


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_only():
        yield


@pytest.fixture
async def node() -> AsyncIterator[RtcPeers]:
    made = peers()
    yield made
    await made.close()
    assert len(made) == 0


async def test_both_hear_each_other(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, peer):
        assert voice.play(tone(300, 1, SPOKEN_RATE)) == 50
        heard = b""
        while len(heard) < 2 * HEARD_RATE:
            heard += b"".join(frame.pcm for frame in await peer.hear())
        await until(lambda: voice.progress().heard == 50)
        assert voice.progress().confirmed
        spoken = b"".join(pcm for _, pcm in client.sound())
    assert pitch(heard[-HEARD_RATE:], HEARD_RATE) == pytest.approx(440, rel=0.05)
    loud = spoken[6400 : 6400 + HEARD_RATE]
    assert loudness(loud) > LOUD
    assert pitch(loud, HEARD_RATE) == pytest.approx(300, rel=0.05)
    await peer.hear()  # what was left
    with pytest.raises(EOFError):
        await peer.hear()
    assert client.states == ["connected", "closed"]
