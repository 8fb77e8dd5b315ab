"""Calls as they are configured."""

import ipaddress
import re
from typing import Any

import pytest
from aioice import ice
from aiortc import RTCConfiguration, RTCPeerConnection
from pydantic import SecretStr

from actors.runtime.envelope import Overloaded
from config.settings import Settings, SettingsError, read_settings
from tests.transport.webrtc.calling import Client, call
from transport.webrtc.ice_servers import credential
from transport.webrtc.opened import opened

SECRET = "3f9c1b7e"


def settings(**given: Any) -> Settings:
    return read_settings(_env_file=None, **given)


def quiet(event: str, fields: dict[str, Any]) -> None:
    raise AssertionError(event, fields)


async def test_one_machine_calls_itself_and_at_the_end_all_are_hung_up() -> None:
    stock = ice.get_host_addresses
    async with opened(settings(calls_per_node=1), quiet) as peers:
        client = Client()
        peer = await peers.answer(await client.offer(), peers.voice(), client.state)
        assert set(re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+)", peer.sdp)) == {"127.0.0.1"}
        with pytest.raises(Overloaded):
            await peers.answer(client.pc.localDescription.sdp, peers.voice(), client.state)
    assert client.states == ["closed"]
    assert len(peers) == 0
    assert ice.get_host_addresses is stock
    await client.pc.close()


async def test_a_node_behind_an_address_of_its_own_names_that() -> None:
    wanted = settings(calls_address="203.0.113.7")
    assert not wanted.calls_stay_here
    client = Client()
    async with opened(wanted, quiet) as peers:
        peer = await peers.answer(await client.offer(), peers.voice(), client.state)
        named = set(re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+)", peer.sdp))
        assert {one for one in named if ipaddress.ip_address(one).version == 4} == {"203.0.113.7"}
    await client.pc.close()


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # uvloop leaves sockets that can't be bound
@pytest.mark.parametrize(("address", "asked"), [("10.0.0.5", 1), ("8.8.4.4", 0)])
async def test_only_a_node_that_is_not_reached_directly_asks_who_it_is(
    address: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is no address of this machine: nothing is bound, and nobody is asked over the network."""
    monkeypatch.setattr(ice, "get_host_addresses", lambda **_: [address])
    made: list[RTCConfiguration] = []

    def seen(configuration: RTCConfiguration) -> RTCPeerConnection:
        made.append(configuration)
        return RTCPeerConnection(RTCConfiguration(iceServers=[]))

    monkeypatch.setattr("transport.webrtc.peers.RTCPeerConnection", seen)
    client = Client()
    async with opened(settings(host="0.0.0.1", calls_stun="stun:stun.example.org"), quiet) as peers:
        await peers.answer(await client.offer(), peers.voice(), client.state)
    (configuration,) = made
    assert len(configuration.iceServers or ()) == asked
    await client.pc.close()


async def test_clients_are_told_of_turn_servers_with_credentials_of_their_own() -> None:
    turn = "turn:turn.example.org:3478?transport=udp,turns:turn.example.org:5349?transport=tcp"
    wanted = settings(calls_stun="stun:stun.example.org", calls_turn=turn, calls_turn_secret=SecretStr(SECRET))
    async with opened(wanted, quiet) as peers:
        stun, relays = peers.ice_servers("u1")
    assert stun == {"urls": ["stun:stun.example.org"]}
    assert relays["urls"] == turn.split(",")
    assert relays["username"].endswith(":u1")
    assert relays["credential"] == credential(SECRET, relays["username"])


@pytest.mark.parametrize(
    "given",
    [
        {"calls_stun": "turn:there"},
        {"calls_stun": "stun.example.org"},
        {"calls_turn": "turn:there:3478?transport=pigeon", "calls_turn_secret": SECRET},
        {"calls_turn": "turn:there"},
        {"calls_address": "there"},
        {"calls_per_node": 0},
    ],
)
def test_what_can_not_be_used_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="LIFEBUDDY_CALLS"):
        settings(**given)


@pytest.mark.parametrize(("host", "here"), [("127.0.0.1", True), ("0.0.0.1", False)])
def test_who_is_reached_by_others_offers_them_a_way(host: str, *, here: bool) -> None:
    assert settings(host=host).calls_stay_here is here


async def test_a_call_goes_on_while_another_is_refused() -> None:
    async with opened(settings(calls_per_node=1), quiet) as peers, call(peers, peers.voice()) as (client, _):
        other = Client()
        with pytest.raises(Overloaded):
            await peers.answer(await other.offer(), peers.voice(), other.state)
        await other.pc.close()
        assert client.states == ["connected"]
