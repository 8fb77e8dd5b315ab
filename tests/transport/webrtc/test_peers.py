"""Peer connections on loopback: sound both ways, and what becomes of a call."""

import asyncio
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver

from actors.domain.refusals import BadCandidate, BadOffer
from actors.media import HEARD_RATE, SPOKEN_RATE
from actors.runtime.envelope import Overloaded
from tests.transport.webrtc.calling import Client, call, peers, until
from tests.transport.webrtc.test_candidates import candidate
from tests.transport.webrtc.tones import loudness, pitch, tone
from transport.webrtc.peers import RtcPeer, RtcPeers
from transport.webrtc.seams.host_addresses import loopback_only
from transport.webrtc.voice import CoachVoice

LOUD, QUIET = 2000, 200


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


def speech(seconds: float, hertz: float = 300) -> bytes:
    return tone(hertz, seconds, SPOKEN_RATE)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_both_hear_each_other(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, peer):
        assert voice.play(speech(1)) == 50
        heard = b""
        while len(heard) < 2 * HEARD_RATE:
            heard += b"".join(frame.pcm for frame in await peer.hear())
        await until(lambda: voice.progress().heard == 50)
        assert voice.progress().confirmed
        await asyncio.sleep(0.15)
        packets = len(client.packets)
        await asyncio.sleep(0.1)
        spoken = b"".join(pcm for _, pcm in client.sound())
    assert pitch(heard[-HEARD_RATE:], HEARD_RATE) == pytest.approx(440, rel=0.05)
    loud = spoken[6400 : 6400 + HEARD_RATE]
    assert loudness(loud) > LOUD
    assert pitch(loud, HEARD_RATE) == pytest.approx(300, rel=0.05)
    assert 50 + 5 <= packets <= 5 + 50 + 5
    assert len(client.packets) == packets
    await peer.hear()  # what was left
    with pytest.raises(EOFError):
        await peer.hear()
    assert client.states == ["connected", "closed"]


async def test_a_cut_is_silence_within_a_tenth_of_a_second_and_then_nothing(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, _):
        voice.play(speech(10))
        await until(lambda: voice.progress().heard > 20)
        cut = now()
        voice.cut()
        sent = voice.progress().sent
        await asyncio.sleep(0.4)
        after = [(at, loudness(pcm)) for at, pcm in client.sound(cut)]
        assert max((at for at, loud in after if loud > QUIET), default=cut) - cut < 0.1
        assert 5 <= len(after) <= 7
        await until(lambda: voice.progress().heard == sent)
        progress = voice.progress()
        assert (progress.queued, progress.sent, progress.confirmed) == (sent, sent, True)


async def test_it_falls_silent_goes_back_and_says_the_rest(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, peer):
        for hertz in (300, 600, 1200):
            voice.play(speech(0.4, hertz))
        await until(lambda: voice.progress().sent >= 30)
        voice.pause()
        await asyncio.sleep(0.5)
        paused = voice.progress()
        assert paused.heard == paused.sent
        resumed = now()
        voice.resume(20)
        peer.ask_heard()
        await until(lambda: voice.progress().heard == 60)
        again = [(at, pcm) for at, pcm in client.sound(resumed) if loudness(pcm) > LOUD]
        assert again[0][0] - resumed < 0.03
        said = [pitch(again[nth][1] + again[nth + 1][1], HEARD_RATE) for nth in (5, 15, 25, 35)]
        assert said == pytest.approx([600, 600, 1200, 1200], rel=0.1)
        steps = {later[1] - before[1] for before, later in zip(client.packets, client.packets[1:], strict=False)}
        assert max(steps) > 48 * 300  # the pause is in the RTP time


async def test_without_a_data_channel_what_was_heard_is_estimated(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice, channel=False):
        voice.play(speech(0.8))
        await until(lambda: voice.progress().sent == 40)
        progress = voice.progress()
        assert 22 <= progress.heard <= 27
        assert not progress.confirmed
        await until(lambda: voice.progress().heard == 40, 1.0)


async def test_who_vanishes_is_noticed_and_what_was_sent_since_is_not_heard(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, _):
        voice.play(speech(6))
        await until(lambda: voice.progress().heard > 20)
        vanished, sent = now(), voice.progress().sent
        drop(client.pc)
        await until(lambda: "silent" in client.states, 2.0)
        assert 1.3 < now() - vanished < 2.0
        progress = voice.progress()
        assert progress.sent > sent + 60
        assert progress.heard <= sent
        voice.pause()
        again = Client()
        again.open_channel()
        peer = await node.answer(await again.offer(), voice, again.state)
        await again.take(peer.sdp)
        voice.resume(progress.heard)
        await until(lambda: voice.progress().heard > progress.heard + 20)
        assert any(loudness(pcm) > LOUD for _, pcm in again.sound())
        await again.pc.close()
        await until(lambda: "closed" in again.states, 1.0)


async def test_who_falls_silent_may_be_heard_again(node: RtcPeers) -> None:
    async with call(node, node.voice()) as (client, _):
        await until(lambda: bool(client.pings))
        client.answers = False
        client.microphone.speaking.clear()
        await until(lambda: client.states[-1] == "silent", 2.5)
        client.answers = True
        await until(lambda: client.states[-1] == "heard", 1.0)
        assert client.states == ["connected", "silent", "heard"]


async def test_a_client_may_lie_and_flood_on_the_channel(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, _):
        voice.play(speech(1))
        client.pong = lambda n: {"t": "pong", "n": n, "rtp": client.packets[-1][1] + 96_000}  # type: ignore[method-assign]
        await until(lambda: node.counts["pong_lies"] > 0)
        assert voice.progress().heard <= voice.progress().sent
        assert client.channel is not None
        for _ in range(300):
            client.channel.send("x" * 2000)
        await until(lambda: node.counts["channel_ignored"] > 0)
        assert node.counts["channel_dropped"] == 200
        await until(lambda: voice.progress().sent == 50)


async def test_garbage_and_replay_at_the_port_do_not_hurt(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, peer):
        voice.play(speech(1.5))
        found = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) ", peer.sdp)
        assert found
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for first in range(256):
                for length in (0, 1, 12, 40, 1400):
                    stranger.sendto((bytes([first]) + os.urandom(length))[: length or 1], (found[1], int(found[2])))
                stranger.sendto(b"", (found[1], int(found[2])))
                stranger.sendto(binding(bytes([first])), (found[1], int(found[2])))
                await asyncio.sleep(0)
        own = client.pc.getReceivers()[0].transport.transport._connection
        for first in (22, 63, 128, 191, 200, 255):
            await own.send(bytes([first]) + os.urandom(60))
        await until(lambda: voice.progress().heard == 75)
        assert client.states == ["connected"]
        assert node.counts["strangers"] > 300


async def test_a_flood_is_dropped_before_it_is_read(node: RtcPeers) -> None:
    voice = node.voice()
    async with call(node, voice) as (client, _):
        voice.play(speech(0.5))
        own = client.pc.getReceivers()[0].transport.transport._connection
        for _ in range(3000):
            await own.send(b"\x80" + bytes(200))
            await asyncio.sleep(0)
        assert node.counts["flooded"] > 200
        await until(lambda: voice.progress().sent == 25)
        await asyncio.sleep(0.3)
        before = client.pings[-1]
        await until(lambda: client.pings[-1] > before + 1)
        assert client.states == ["connected"]


async def test_a_call_that_ends_while_it_connects_leaves_nothing(node: RtcPeers) -> None:
    """Stock aiortc goes on connecting what was closed, and starts tasks that nobody ends."""
    parts: list[object] = []
    for nth in range(15):
        client = Client()
        client.open_channel()
        peer = await node.answer(await client.offer(), node.voice(), client.state)
        assert peer._pc is not None
        parts += [*peer._pc.getSenders(), *peer._pc.getReceivers()]
        parts.append(peer._pc.getReceivers()[0].transport.transport._connection)
        await client.take(peer.sdp)
        await asyncio.sleep(nth * 0.005)
        await peer.close()
        await client.pc.close()
    await asyncio.sleep(0.1)
    frames = [getattr(task.get_coro(), "cr_frame", None) for task in asyncio.all_tasks()]
    assert not [frame for frame in frames if frame and frame.f_locals.get("self") in parts]


async def test_closing_has_an_end(node: RtcPeers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.webrtc.peers.CLOSES", 0.2)
    async with call(node, node.voice()) as (client, peer):
        assert peer._pc is not None
        stock, stuck = peer._pc.close, asyncio.Event()
        monkeypatch.setattr(peer._pc, "close", stuck.wait)
        began = now()
        await asyncio.gather(peer.close(), peer.close())
        assert now() - began < 0.4
        assert (node.counts["close_overstayed"], len(node)) == (1, 0)
        assert client.states[-1] == "closed"
        await stock()


async def test_a_node_has_one_certificate(node: RtcPeers) -> None:
    async with call(node, node.voice()) as (_, one), call(node, node.voice()) as (_, other):
        prints = [set(re.findall("a=fingerprint:sha-256 (.*)\r\n", peer.sdp)) for peer in (one, other)]
    assert prints[0] == prints[1]
    assert len(prints[0]) == 1


async def test_more_calls_than_a_node_takes_are_turned_away() -> None:
    node = peers(most=1)
    voice = node.voice()
    async with call(node, voice) as (client, _):
        with pytest.raises(Overloaded):
            await offer(node, node.voice())
        again, peer = await offer(node, voice)
        assert len(node) == 2
        await peer.close()
        await peer.close()
        await again.pc.close()
        assert client.states == ["connected"]
    assert len(node) == 0


async def test_candidates_come_later_and_not_after_the_call(node: RtcPeers) -> None:
    voice = node.voice()
    client = Client()
    whole = await client.offer()
    without = "".join(line for line in whole.splitlines(keepends=True) if "candidate" not in line)
    found = re.findall("a=(candidate:.*)\r\n", whole)
    peer = await node.answer(without, voice, client.state)
    answer = "".join(line for line in peer.sdp.splitlines(keepends=True) if "candidate" not in line)
    await client.take(answer)  # knows no way to the node: the node finds it
    for text in found:
        await peer.add_candidate(text, "0", 0)
    for text in (
        candidate("169.254.169.254"),
        candidate("x.local"),
        *[candidate("127.0.0.1", port=n) for n in range(9, 60)],
    ):
        await peer.add_candidate(text, "0", None)
    await peer.add_candidate(None, None, None)
    await until(lambda: "connected" in client.states)
    assert (node.counts["candidates_forbidden"], node.counts["candidates_many"]) == (1, 12)
    for text, mid, line in (("garbage", "0", 0), (found[0], "7", None), (found[0], None, 3)):
        with pytest.raises(BadCandidate):
            await peer.add_candidate(text, mid, line)
    await peer.close()
    with pytest.raises(BadCandidate):
        await peer.add_candidate(found[0], "0", 0)
    await client.pc.close()


async def test_an_offer_that_can_not_be_used_leaves_nothing_behind(node: RtcPeers) -> None:
    client = Client()
    good = await client.offer()
    for bad in ("", good.replace("opus", "speex"), good.replace("a=setup:actpass", "a=setup:holdconn")):
        with pytest.raises(BadOffer):
            await node.answer(bad, node.voice(), client.state)
    assert len(node) == 0
    assert client.states == []
    await client.pc.close()


async def test_who_does_not_come_is_given_up(node: RtcPeers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transport.webrtc.peers.TRICKLE", 0.1)
    monkeypatch.setattr("transport.webrtc.peers.CONNECTS", 0.5)
    client, _ = await offer(node, node.voice())
    drop(client.pc)
    await until(lambda: client.states == ["closed"] and len(node) == 0, 3.0)
    await client.pc.close()


async def test_a_channel_may_stand_before_the_sound(node: RtcPeers) -> None:
    client = Client(channel_first=True)
    text = await client.offer()
    client.open_channel()
    assert text.index("m=application") < text.index("m=audio")
    peer = await node.answer(text, node.voice(), client.state)
    await client.take(peer.sdp)
    await until(lambda: bool(client.pings) and "connected" in client.states)
    await peer.close()
    await client.pc.close()


async def test_calls_leave_nothing_behind(node: RtcPeers) -> None:
    async def once(nth: int) -> None:
        async with call(node, node.voice()) as (client, _):
            if nth % 3 == 0:
                drop(client.pc)
            elif nth % 3 == 1:
                await client.pc.close()

    await once(0)
    before = left()
    for nth in range(30):
        await once(nth)
    await until(lambda: left() <= before, 2.0)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith(("peer", "inbound"))]


async def offer(node: RtcPeers, voice: CoachVoice) -> tuple[Client, RtcPeer]:
    """A client that does not take the answer."""
    client = Client()
    try:
        return client, await node.answer(await client.offer(), voice, client.state)
    except Overloaded:
        await client.pc.close()
        raise


def left() -> tuple[int, int]:
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def drop(pc: RTCPeerConnection) -> None:
    """The client is gone without a word."""
    receiver: RTCRtpReceiver = pc.getReceivers()[0]
    for protocol in receiver.transport.transport._connection._protocols:
        protocol.transport.abort()


def binding(attribute: bytes) -> bytes:
    """A STUN request that nobody signed, with an attribute that is cut short."""
    attributes = b"\0" + attribute + b"\0\1\0\0\0\0"
    return b"\0\1" + len(attributes).to_bytes(2) + bytes.fromhex("2112a442") + os.urandom(12) + attributes
