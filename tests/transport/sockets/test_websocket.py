"""WebSocket as RFC 6455 lets clients speak it, and as it does not: in fragments, out of order, and deaf to goodbyes."""

import asyncio
import contextlib
import json
import time

import pytest

from tests.transport.conftest import Node, StartNode
from tests.transport.sockets.devices import Device, Stuck, cid, eventually
from transport.sockets.limits import Limits
from transport.sockets.straight import ABORT_AFTER

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
ASK = '421["sync",{"since":0}]'


def frame(kind: int, payload: str | bytes, *, last: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """One frame as a client writes it; a mask of zeros leaves the payload as it is."""
    raw = payload.encode() if isinstance(payload, str) else payload
    flag = 0x80 if masked else 0
    size = bytes([flag | len(raw)]) if len(raw) < 126 else bytes([flag | 127]) + len(raw).to_bytes(8, "big")
    return bytes([(0x80 if last else 0) | reserved | kind]) + size + (bytes(4) if masked else b"") + raw


async def joined(stuck: Stuck) -> None:
    await stuck.join()
    assert b"session.ready" in await stuck.read()


async def until_hung_up(stuck: Stuck, octets: bytes) -> int:
    """How often it could be sent, at most 200 times."""
    for number in range(200):
        try:
            async with asyncio.timeout(2):
                await stuck.send_raw(octets)
        except (ConnectionError, TimeoutError):
            return number
    return 200


async def nobody_is_left(node: Node, within: float = 8.0) -> None:
    await eventually(lambda: not any(one.io.eio.sockets for one in node.gateway.entrances), within)
    await eventually(lambda: node.sessions["ann"].connections == {}, within)


# ── fragments ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("pieces", [2, 3, len(ASK)])
async def test_a_command_in_fragments_is_one_command(start_node: StartNode, pieces: int) -> None:
    """With a ping between them, which may come there and is answered at once (section 5.4)."""
    node = await start_node()
    step = -(-len(ASK) // pieces)
    parts = [ASK[start : start + step] for start in range(0, len(ASK), step)]
    async with Stuck(node.url) as stuck:
        await joined(stuck)
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            await stuck.send_raw(frame(CONTINUED if number else TEXT, part, last=last))
            await stuck.send_raw(b"" if last else frame(PING, b"there?"))
        answer = await stuck.read()
        assert answer.count(frame(PONG, b"there?", masked=False)) == len(parts) - 1
        assert answer.count(b'431[{"ok":true') == 1


async def test_fragments_without_an_end_are_bounded_like_one_frame(start_node: StartNode) -> None:
    node = await start_node()
    async with Stuck(node.url) as stuck, Device(node.url, device_id="laptop") as other:
        await joined(stuck)
        await stuck.send_raw(frame(TEXT, '42["sync",{"x":"', last=False))
        sent = await until_hung_up(stuck, frame(CONTINUED, b"a" * 65_536, last=False))
        assert sent < 200
        assert (await other.ask("sync", {"since": 0}))["ok"]
        await eventually(lambda: len(node.sessions["ann"].connections) == 1)


@pytest.mark.parametrize(
    "frames",
    [
        frame(CONTINUED, "2"),
        frame(TEXT, "4", last=False) + frame(TEXT, ASK),
        frame(PING, b"x", last=False),
        frame(PING, b"x" * 126),
        frame(TEXT, ASK, reserved=0x40),
        frame(3, "x"),
        frame(TEXT, b'42["\xff\xfe"]'),
    ],
    ids=["no beginning", "within another", "half a ping", "a large ping", "reserved bit", "unknown kind", "not UTF-8"],
)  # fmt: skip
async def test_what_is_no_websocket_ends_that_connection_and_no_other(start_node: StartNode, frames: bytes) -> None:
    node = await start_node()
    async with Stuck(node.url) as stuck, Device(node.url, device_id="laptop") as other:
        await joined(stuck)
        await stuck.send_raw(frames)
        assert frame(CLOSE, b"", masked=False)[:1] in await stuck.read()
        await eventually(lambda: len(node.sessions["ann"].connections) == 1)
        assert (await other.ask("chat.send", {"cid": cid(), "text": "hi"}))["ok"]


# ── goodbyes ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "does not read"])
async def test_who_ignores_being_closed_is_hung_up_on(start_node: StartNode, *, reads: bool) -> None:
    """It never answers the close frame, nor hangs up: the server does (section 7.1.1)."""
    node = await start_node(Limits(goodbye=0.2))
    async with Stuck(node.url) as stuck:
        await joined(stuck)
        began = time.monotonic()
        node.logins.revoke("s1")
        if reads:
            said = await stuck.read()
            goodbye = {"code": "auth.revoked", "reconnect": False, "delay_ms": 0}
            assert json.dumps(["session.closing", goodbye], separators=(",", ":")).encode() in said
        await nobody_is_left(node, ABORT_AFTER + 3)
        assert await stuck.hung_up(within=1)
        assert time.monotonic() - began < ABORT_AFTER + 3


async def test_who_goes_on_sending_after_the_goodbye_has_no_effect(start_node: StartNode) -> None:
    node = await start_node()
    async with Stuck(node.url) as stuck:
        await joined(stuck)
        node.logins.revoke("s1")
        await eventually(lambda: node.sessions["ann"].connections == {})
        with contextlib.suppress(ConnectionError):  # hung up on already
            for _ in range(20):
                await stuck.send_raw(frame(TEXT, f'422["chat.send",{{"cid":"{cid()}","text":"hi"}}]'))
        await nobody_is_left(node, ABORT_AFTER + 3)
        assert node.sessions["ann"].events == []


async def test_a_close_in_the_midst_of_a_command_leaves_nothing_behind(start_node: StartNode) -> None:
    node = await start_node()
    async with Stuck(node.url) as stuck:
        await joined(stuck)
        await stuck.send_raw(
            frame(TEXT, f'423["chat.send",{{"cid":"{cid()}","text":"hi"}}]') + frame(CLOSE, b"\x03\xe8")
        )
        await nobody_is_left(node)
        assert await stuck.hung_up(within=3)
    assert len(node.sessions["ann"].events) == 1
