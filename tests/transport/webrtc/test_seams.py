"""The private parts of aiortc and aioice that are used are as they are taken to be; where one is not, calls go on."""

import re
from collections.abc import Iterator

import pytest
from aioice import ice

from actors.media import SPOKEN_RATE
from tests.transport.webrtc.calling import call, peers, until
from tests.transport.webrtc.tones import tone
from transport.webrtc.seams.host_addresses import loopback_only
from transport.webrtc.seams.unfit import UNFIT


@pytest.fixture(autouse=True)
def counted_from_here() -> Iterator[None]:
    before = UNFIT.copy()
    UNFIT.clear()
    with loopback_only():
        yield
    UNFIT.clear()
    UNFIT.update(before)


async def test_all_of_them_fit() -> None:
    await talk(confirmed=True)
    assert not UNFIT


async def test_without_the_origin_of_rtp_time_what_was_heard_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.webrtc.seams.rtp_time._PLACE", "_gone")
    await talk(confirmed=False)
    assert set(UNFIT) == {"rtp_time"}


async def test_without_a_certificate_of_the_node_each_call_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.webrtc.seams.certificate._PLACE", "_gone")
    assert await talk(confirmed=True) != await talk(confirmed=True)
    assert UNFIT == {"certificate": 2}


async def test_where_strangers_can_not_be_kept_out_calls_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.webrtc.seams.strangers._PLACES", {"_gone": list})
    await talk(confirmed=True)
    assert UNFIT == {"strangers": 1}


async def test_where_connecting_is_not_seen_calls_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.webrtc.seams.connecting._PLACE", "_gone")
    await talk(confirmed=True)
    assert UNFIT == {"connecting": 1}


def test_loopback_is_offered_only_where_it_is_wanted() -> None:
    assert ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == ["127.0.0.1"]
    assert ice.get_host_addresses(use_ipv4=False, use_ipv6=True) == []


def test_elsewhere_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def stock(*, use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return ["192.0.2.1"]

    monkeypatch.setattr(ice, "get_host_addresses", stock)
    with loopback_only():
        assert ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == ["127.0.0.1"]
    assert ice.get_host_addresses is stock
    monkeypatch.delattr(ice, "get_host_addresses")
    with loopback_only():
        assert not hasattr(ice, "get_host_addresses")
    assert UNFIT == {"host_addresses": 1}


async def talk(*, confirmed: bool) -> str:
    """A call in which the coach is heard; the fingerprint of the node's end."""
    node = peers()
    voice = node.voice()
    async with call(node, voice) as (_, peer):
        voice.play(tone(300, 0.3, SPOKEN_RATE))
        await until(lambda: voice.progress().heard == 15)
        assert voice.progress().confirmed is confirmed
        return str(re.findall("a=fingerprint:sha-256 (.*)\r\n", peer.sdp)[0])
