"""What bad input gets: a stable code or the documented close; nothing else moves, and no traceback stands in the log."""

import asyncio
import io
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.transport.conftest import Node, StartNode
from tests.transport.sockets.devices import Device, Raw, cid, eventually, send_head
from transport.sockets.limits import Limits

BROKEN_JSON = [
    "",
    "x",
    "4",
    "4{",
    "4[[[[",
    "42[",
    '42["chat.send",{"a":NaN}]',
    "42" + "[" * 20_000,
    '42["connect",{"aiohttp.request":1},{"token":"bo/s1","device_id":"x"}]',
    '427["connect",{},{}]',
    '42["disconnect"]',
    '42["disconnect","transport close"]',
    '42["connect_error",{}]',
    '42["__disconnect_final"]',
    '44"x"',
    '430["ack"]',
    '451-["file",{"_placeholder":true,"num":0}]',
    "2",
    "5",
    "0{}",
    b"\x00\x01",
]
BROKEN_MSGPACK: list[Any] = [
    b"",
    b"\xc1",
    b"\x91" * 20_000,
    msgspec.msgpack.encode({"type": 2, "nsp": "/", "data": ["connect", {}, {}]}),
    msgspec.msgpack.encode({"type": 2, "nsp": "/", "data": ["disconnect"]}),
    msgspec.msgpack.encode({"type": 3, "nsp": "/", "data": [], "id": [1]}),
    msgspec.msgpack.encode({"type": 2, "nsp": 7, "data": ["chat.send"]}),
    msgspec.msgpack.encode(5),
    '42["chat.send",{}]',
]


async def send(raw: Raw, frame: str | bytes) -> None:
    await (raw.ws.send_str(frame) if isinstance(frame, str) else raw.ws.send_bytes(frame))


async def unharmed(node: Node, raw: Raw) -> None:
    """The same connection still takes commands, and its session is as it was."""
    assert node.sessions["ann"].seq == 0
    assert list(node.sessions["ann"].connections) == [one.id for one in node.gateway.outbox]
    assert node.sessions["ann"].asked["Attach"] == 1
    await raw.emit("chat.send", {"cid": cid(), "text": "still here"}, ack=99)
    while (packet := await raw.next())[0] != 3:
        assert packet is not None
    assert packet[1] == 99
    assert packet[2][0]["ok"]


@pytest.mark.parametrize("frame", BROKEN_JSON, ids=range(len(BROKEN_JSON)))
async def test_an_unreadable_frame_is_answered_and_harms_nothing(start_node: StartNode, frame: str | bytes) -> None:
    node = await start_node()
    async with Raw(node.http) as raw:
        await raw.join()
        await send(raw, "3")
        await send(raw, frame)
        error = await raw.until("session.error")
        assert (error["code"], error["effect"]) == ("protocol", "none")
        await unharmed(node, raw)


@pytest.mark.parametrize("frame", BROKEN_MSGPACK, ids=range(len(BROKEN_MSGPACK)))
async def test_unreadable_msgpack_is_answered_and_harms_nothing(start_node: StartNode, frame: str | bytes) -> None:
    node = await start_node()
    async with Raw(node.http, "socket.io-msgpack") as raw:
        await raw.join()
        await send(raw, frame)
        assert (await raw.until("session.error"))["code"] == "protocol"
        await unharmed(node, raw)


@pytest.mark.parametrize("frame", [*BROKEN_JSON, '42["chat.send",{}]', "41", "4", "40[]", '40"x"', "40/other,", "43"])
async def test_a_connection_that_has_not_joined_can_do_nothing(start_node: StartNode, frame: str | bytes) -> None:
    node = await start_node()
    async with Raw(node.http) as raw:
        await send(raw, frame)
        assert (await raw.join())[0] in {0, 4}
    assert node.sessions["ann"].seq == 0


@pytest.mark.parametrize("path", ["socket.io", "socket.io-msgpack"])
async def test_ten_unreadable_frames_in_a_minute_close_with_protocol(start_node: StartNode, path: str) -> None:
    node = await start_node()
    async with Raw(node.http, path) as raw:
        await raw.join()
        for _ in range(10):
            await send(raw, b"\xc1")
        assert (await raw.until("session.closing"))["code"] == "protocol"
        assert (await raw.next())[0] == 1
        assert await raw.closed() == 1000


async def test_unreadable_frames_long_ago_are_forgiven(start_node: StartNode) -> None:
    node = await start_node(Limits(unreadable=3, unreadable_seconds=0.1))
    async with Raw(node.http) as raw:
        await raw.join()
        for _ in range(5):
            await send(raw, "42[")
            await raw.until("session.error")
            await asyncio.sleep(0.06)
        await unharmed(node, raw)


@pytest.mark.parametrize("path", ["socket.io", "socket.io-msgpack"])
async def test_a_frame_over_a_mebibyte_closes_with_1009(start_node: StartNode, path: str) -> None:
    node = await start_node()
    async with Raw(node.http, path) as raw:
        await raw.join()
        await raw.until("session.ready")
        send_head(raw.ws, 1024 * 1024 + 1)
        assert await raw.closed() == 1009
    assert node.sessions["ann"].seq == 0


async def test_a_refusal_nobody_waits_for_is_told_all_the_same(start_node: StartNode) -> None:
    node = await start_node()
    async with Raw(node.http) as raw:
        await raw.join()
        await raw.emit("nonsense", {})
        assert (await raw.until("session.error"))["code"] == "invalid.command"
        await raw.emit("chat.send", {"text": "no cid"})
        assert (await raw.until("session.error"))["fields"] == {"cid": "is missing"}


async def test_polling_garbage_is_answered_like_any_other(start_node: StartNode) -> None:
    node = await start_node()
    device = await Device(node.url).connect("polling")
    async with device:
        sid = device.io.eio.sid
        url = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
        for body in ["garbage", "42[", "4[[[[[[", "b!!", "\x1e", "d=x", "5"]:
            async with node.http.post(url, data=body) as answer:
                assert answer.status == 200
        await device.until(lambda: len(device.of("session.error")) == 8)
        async with node.http.post(url, data=io.BytesIO(b"4" * (1024 * 1024 + 1))) as answer:
            assert answer.status == 413
        assert (await device.ask("chat.send", {"cid": cid(), "text": "still here"}))["ok"]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/socket.io/?EIO=3&transport=polling", 400),
        ("/socket.io/?EIO=4&transport=carrier-pigeon", 400),
        ("/socket.io/?EIO=4&transport=polling&sid=nobody", 400),
        ("/socket.io/?EIO=4&transport=polling&j=0", 415),
        ("/socket.io/?EIO=4&transport=websocket", 400),
        ("/socket.io/", 400),
    ],
)
async def test_requests_that_make_no_sense_are_refused(start_node: StartNode, url: str, status: int) -> None:
    node = await start_node()
    async with node.http.get(url) as answer:
        assert answer.status == status


async def test_a_half_websocket_handshake_leaves_nothing_behind(start_node: StartNode) -> None:
    node = await start_node(Limits(join=0.1, sweep=0.05))
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    async with node.http.get("/socket.io/?EIO=4&transport=websocket", headers=headers) as answer:
        assert answer.status == 400
    await eventually(lambda: not any(one.io.eio.sockets for one in node.gateway.entrances))


@pytest.mark.timeout(60)  # ten thousand of anything, on whatever machine
async def test_ten_thousand_commands_at_once_are_each_answered(start_node: StartNode) -> None:
    """One read of the socket holds up to 2,900 of them, and this session commits each at once, before anything can be written."""
    node = await start_node(Limits(waiting=2_000))
    total = 10_000
    async with Raw(node.http) as raw:
        await raw.join()

        async def flood() -> None:
            for number in range(total):
                await raw.emit("chat.send", {"cid": cid(), "text": "x"} if number % 2 else {"text": 5}, ack=number)

        flooding = asyncio.create_task(flood())
        acks: dict[int, bool] = {}
        most = 0
        while len(acks) < total:
            packet = await raw.next()
            if packet[0] == 3:
                acks[packet[1]] = packet[2][0]["ok"]
            most = max(most, *(one.line.waiting + len(one._waiting) for one in node.gateway.outbox))
        await flooding
        assert sum(acks.values()) == total // 2 == node.sessions["ann"].seq
        assert most < 2_000


async def test_the_websocket_does_not_deflate(start_node: StartNode) -> None:
    node = await start_node()
    for path in ("socket.io", "socket.io-msgpack"):
        async with node.http.ws_connect(f"/{path}/?EIO=4&transport=websocket", compress=15) as ws:
            assert ws.compress == 0
            assert (await ws.receive()).type == aiohttp.WSMsgType.TEXT
