"""A device that does not read: bounded memory, nobody else delayed, nothing lost, and back from the log."""

import asyncio
import re
import uuid

from tests.transport.conftest import Node, StartNode
from tests.transport.sockets.devices import Device, Stuck, cid, eventually
from transport.sockets.connection import Connection
from transport.sockets.limits import Limits

LONG = "x" * 2_000


def stuck_one(node: Node) -> Connection | None:
    return next((one for one in node.gateway.outbox if one.device == "stuck"), None)


async def joined(node: Node) -> Connection:
    await eventually(lambda: (one := stuck_one(node)) is not None and one._open)
    one = stuck_one(node)
    assert one is not None
    return one


def seqs(raw: bytes) -> list[int]:
    """The events in what a WebSocket received; the last frame may be cut."""
    return [int(found) for found in re.findall(rb'\["event",\{"v":1,"seq":(\d+),', raw)]


async def test_a_stuck_device_delays_nobody_is_closed_and_resumes_from_the_log(start_node: StartNode) -> None:
    limits = Limits(waiting=200, waiting_bytes=256 * 1024)
    node = await start_node(limits)
    ann = node.sessions["ann"]
    async with Stuck(node.url) as stuck, Device(node.url) as healthy:
        await stuck.join()
        slow = await joined(node)
        most = 0
        fast = next(one for one in node.gateway.outbox if one is not slow)
        for _ in range(6_000):
            ann.say(LONG)
            most = max(most, slow._waiting_bytes)
            if len(fast._waiting) > 50:
                await eventually(lambda: not fast._waiting)
        await healthy.until(lambda: len(healthy.seqs()) == 6_000, 15)
        assert healthy.seqs() == list(range(1, 6_001))
        assert slow.closing
        assert most <= limits.waiting_bytes + 4_000
        got = seqs(await stuck.read())
        assert got == list(range(1, len(got) + 1))
        assert len(got) * len(LONG) < 1_000_000, "the kernel held the rest"
    async with Device(node.url, device_id="stuck", since=got[-1]) as back:
        await back.until(lambda: back.seqs()[-1:] == [6_000], 15)
        assert back.seqs() == list(range(got[-1] + 1, 6_001))


async def test_a_stuck_device_that_missed_much_holds_one_part_of_it_at_a_time(start_node: StartNode) -> None:
    node = await start_node(Limits(waiting=50, waiting_bytes=64 * 1024))
    ann = node.sessions["ann"]
    for _ in range(6_000):
        ann.say(LONG)
    async with Stuck(node.url) as stuck:
        await stuck.join(since=0)
        slow = await joined(node)
        await asyncio.sleep(0.5)
        asked = ann.asked["Missed"]
        assert len(slow._waiting) <= 100
        await asyncio.sleep(0.3)
        assert ann.asked["Missed"] == asked
        ann.say("meanwhile")
        assert not slow.closing
        got: list[int] = []
        raw = b""
        while got[-1:] != [6_001]:
            raw += await stuck.read(1 << 20)
            got = seqs(raw)
        assert got == list(range(1, 6_002))


async def test_deltas_for_a_slow_device_come_in_larger_pieces(start_node: StartNode) -> None:
    node = await start_node(Limits(waiting=100, waiting_bytes=8 * 1024 * 1024))
    async with Stuck(node.url) as stuck:
        await stuck.join()
        slow = await joined(node)
        for n in range(5_000):
            delta = {"message_id": "m", "index": n * 2_000, "text": LONG}
            node.sessions.outbox.signal("session:ann", "reply.delta", delta)
            await asyncio.sleep(0)
        assert not slow.closing
        assert len(slow._waiting) <= 50
        assert node.sessions["ann"].say("done") == 1
        raw = await stuck.read()
        assert seqs(raw) == [1]
        assert 10 < raw.count(b"reply.delta") < 5_000


async def test_who_never_reads_their_acks_is_not_read_from_and_then_closed(start_node: StartNode) -> None:
    node = await start_node(Limits(acks=8, stalled=0.5))
    for _ in range(100):
        node.sessions["ann"].say(LONG)
    async with Stuck(node.url) as stuck:
        await stuck.join()
        slow = await joined(node)
        flooding = asyncio.create_task(flood(stuck))
        async with asyncio.timeout(15):
            while not slow.closing:
                assert slow.line.waiting <= 8 + 2
                await asyncio.sleep(0.02)
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    await eventually(lambda: stuck_one(node) is None)
    async with Device(node.url) as other:
        assert (await other.ask("chat.send", {"cid": cid(), "text": "hi"}))["ok"]


async def flood(stuck: Stuck) -> None:
    for _ in range(100_000):
        await stuck.send(f'42{uuid.uuid4().int % 1000}["chat.history",{{"limit":100}}]')
