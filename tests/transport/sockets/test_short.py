"""The short way of a command: it is taken where there is one, keeps the order, and ends in time."""

import asyncio
import base64
import os
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest

from actors.commands import SendMessage
from actors.events import MessageAdded
from actors.journal.journaled import Order
from tests.transport.conftest import Node, StartNode
from tests.transport.sockets.devices import Device, Raw, cid, eventually
from transport.sockets import commands
from transport.sockets.gateway import Gateway
from transport.sockets.limits import Limits
from transport.sockets.straight import Straight

PATHS = ["socket.io", "socket.io-msgpack"]


async def acks(raw: Raw, count: int) -> list[tuple[int | None, Any]]:
    """The next acks, each with its number; events between them are passed over."""
    got: list[tuple[int | None, Any]] = []
    while len(got) < count:
        packet = await raw.next()
        assert packet is not None
        if packet[0] == 3:
            got.append((packet[1], packet[2][0]))
    return got


def held(node: Node, text: str) -> asyncio.Event:
    """Ann's session does not answer the message of that text before the event is set."""
    go = asyncio.Event()

    async def before(message: Any) -> None:
        if isinstance(message, Order) and isinstance(message.command, SendMessage) and message.command.text == text:
            await go.wait()

    node.sessions["ann"].before = before
    return go


@pytest.mark.parametrize("path", PATHS)
async def test_a_device_that_waits_for_its_acks_never_needs_the_long_way(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    async def long(*_: Any) -> dict[str, Any]:
        pytest.fail("the long way was taken")

    monkeypatch.setattr(Gateway, "command", long)
    node = await start_node()
    async with Device(node.url, path) as device:
        for number in range(3):
            assert (await device.ask("chat.send", {"cid": cid(), "text": "hi"}))["seq"] == number + 1
        assert len((await device.ask("sync", {"since": 1}))["events"]) == 2


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_sent_before_the_ack_is_taken_in_order(start_node: StartNode, path: str) -> None:
    node = await start_node()
    go = held(node, "first")
    async with Raw(node.http, path) as raw:
        await raw.join()
        for number, text in enumerate(("first", "second", "third"), 1):
            await raw.emit("chat.send", {"cid": cid(), "text": text}, ack=number)
        await asyncio.sleep(0.05)
        assert node.sessions["ann"].seq == 0, "one overtook the one before"
        go.set()
        assert [number for number, _ in await acks(raw, 3)] == [1, 2, 3]
        await raw.emit("sync", {"since": 3}, ack=4)
        assert (await acks(raw, 1))[0][1]["ok"]
    said = [event.data for event in node.sessions["ann"].events]
    assert [one.text for one in said if isinstance(one, MessageAdded)] == ["first", "second", "third"]


async def test_who_waits_for_an_answer_is_written_to_before_those_who_only_watch(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    flush = Straight.flush

    def watched(straight: Straight) -> None:
        if straight._written:
            written.append(straight._written)
        flush(straight)

    node = await start_node()
    async with AsyncExitStack() as opened:
        *watchers, sender = [await opened.enter_async_context(Raw(node.http)) for _ in range(4)]
        for number, raw in enumerate((*watchers, sender)):
            await raw.join(device_id=f"d{number}")
        monkeypatch.setattr(Straight, "flush", watched)
        await sender.emit("chat.send", {"cid": cid(), "text": "hi"}, ack=1)
        await acks(sender, 1)
        await eventually(lambda: len(written) == 4)
    assert [b"431[" in frames for frames in written] == [True, False, False, False]
    assert b"431[" in written[0].partition(b'"message.added"')[2], "the event comes before the ack that tells of it"


async def test_an_answer_that_does_not_come_is_a_timeout_and_the_next_command_is_taken(start_node: StartNode) -> None:
    node = await start_node(Limits(ask=0.2))
    held(node, "never")
    async with Raw(node.http) as raw:
        await raw.join()
        await raw.emit("chat.send", {"cid": cid(), "text": "never"}, ack=1)
        (_, refused) = (await acks(raw, 1))[0]
        assert (refused["ok"], refused["error"]["code"]) == (False, "timeout")
        await raw.emit("sync", {"since": 0}, ack=2)
        assert (await acks(raw, 1))[0] == (2, {"ok": True, "events": [], "seq": 0, "more": False})


async def test_a_device_that_hangs_up_before_its_ack_harms_nobody(start_node: StartNode) -> None:
    node = await start_node()
    go = held(node, "gone")
    async with Raw(node.http) as raw:
        await raw.join()
        await raw.emit("chat.send", {"cid": cid(), "text": "gone"}, ack=1)
        await eventually(lambda: node.sessions["ann"].asked["Order"])
    go.set()
    await eventually(lambda: node.sessions["ann"].seq == 1)
    async with Device(node.url) as device:
        assert (await device.ask("sync", {"since": 0}))["seq"] == 1


async def test_what_a_client_sends_together_with_its_handshake_is_read(start_node: StartNode) -> None:
    node = await start_node()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(node.url.rpartition(":")[2]))
    lines = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "\r\n",
    ]
    joins = "40" + msgspec.json.encode({"token": "ann/s1", "device_id": "early"}).decode()
    writer.write("\r\n".join(lines).encode() + frame(joins) + frame('421["sync",{"since":0}]'))
    async with asyncio.timeout(5):
        while b'431[{"ok":true' not in (read := await reader.read(65_536)):
            assert read, "the server hung up"
    writer.close()


def frame(text: str) -> bytes:
    """A masked text frame (RFC 6455, section 5.2), whose mask is nothing."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text.encode()


async def test_a_bug_in_an_ack_is_the_door_s_and_the_session_lives_on(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await start_node()
    async with Raw(node.http) as raw:
        await raw.join()
        monkeypatch.setattr(commands, "_missed", lambda _: {"ok": True, "seq": object()})
        await raw.emit("sync", {"since": 0}, ack=1)
        assert (await acks(raw, 1))[0][1]["error"]["code"] == "failed"
        monkeypatch.undo()
        await raw.emit("sync", {"since": 0}, ack=2)
        assert (await acks(raw, 1))[0] == (2, {"ok": True, "events": [], "seq": 0, "more": False})
