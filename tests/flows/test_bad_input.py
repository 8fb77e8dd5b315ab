"""What apps should never send, to a whole node: each gets its code or its close, and nothing else changes."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import pytest

from actors.domain.rate_limit import PRESENCES
from tests.flows.app import App, signed_up
from tests.flows.conftest import Running
from tests.transport.sockets.devices import send_head

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]  # a process starts
FLOOD = 10_000
GROWTH_MB = 150


@asynccontextmanager
async def raw_socket(app: App, path: str = "socket.io") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket that has joined the namespace, for frames no client library would send."""
    auth = {"token": app.tokens["access_token"], "device_id": str(uuid.uuid4())}
    url = f"{app.url}/{path}/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=2**24) as socket:
        await socket.receive()
        if path == "socket.io":
            await socket.send_str(f"40{json.dumps(auth)}")
        else:
            await socket.send_bytes(msgpack.packb({"type": 0, "data": auth, "nsp": "/"}))
        await socket.receive()
        yield socket


async def answers(socket: aiohttp.ClientWebSocketResponse, number: int) -> list[str]:
    """The acks that come, up to so many."""
    found: list[str] = []
    async with asyncio.timeout(60):
        while len(found) < number:
            message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return found
            if message.data == "2":
                await socket.send_str("3")
            elif message.data.startswith("43"):
                found.append(message.data)
    return found


BAD_COMMANDS: list[tuple[Any, ...]] = [
    ("chat.send", {"text": "x"}, "invalid"),
    ("chat.send", {"cid": "not-a-uuid", "text": "x"}, "invalid"),
    ("chat.send", {"cid": "CID", "text": 7}, "invalid"),
    ("chat.send", {"cid": "CID", "text": "x", "$where": "1"}, "invalid"),
    ("chat.send", {"cid": "CID", "text": {"$ne": None}}, "invalid"),
    ("chat.send", {"cid": "CID", "text": "x", "thread": "session:other"}, "invalid"),
    ("goal.create", {"cid": "CID", "title": ""}, "invalid"),
    ("goal.create", {"cid": "CID", "title": "x" * 400}, "invalid"),
    ("goal.progress", {"cid": "CID", "goal_id": {"$gt": ""}, "progress": 5}, "invalid"),
    ("goal.progress", {"cid": "CID", "goal_id": "0" * 36, "progress": 1e30}, "invalid"),
    ("no.such", {"cid": "CID"}, "invalid.command"),
    ("reply.finish", {"cid": "CID"}, "invalid.command"),
    ("account.open", {"cid": "CID"}, "invalid.command"),
    ("sync", {"since": -1}, "invalid"),
    ("sync", {"since": 10**30}, "invalid"),
    ("chat.history", {"limit": 10_000}, "invalid"),
    ("chat.send", "text", "invalid"),
    ("chat.send", None, "invalid"),
    ("chat.send", {"cid": "CID", "text": "y" * 70_000}, "too_large"),
]


async def test_bad_commands_get_their_code_and_change_nothing(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        before = await app.whole_log()
        for name, body, code in BAD_COMMANDS:
            sent = {**body, "cid": str(uuid.uuid4())} if isinstance(body, dict) and body.get("cid") == "CID" else body
            ack = await app.command(name, sent)
            assert not ack["ok"], (name, body)
            assert ack["error"]["code"] in {code, "protocol"} or ack["error"]["code"].startswith(code), (name, ack)
            assert ack["error"]["effect"] == "none"
            assert "y" * 100 not in json.dumps(ack)
        assert await app.whole_log() == before
        assert "Traceback" not in running.node.output


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "__disconnect_final", "__class__"])
async def test_reserved_names_from_a_client_are_protocol_errors(running: Running, name: str) -> None:
    async with signed_up(running.node.url) as app, raw_socket(app) as socket:
        await socket.send_str(f"42{json.dumps([name, {'token': 'x'}, {}])}")
        await socket.send_str(f"421{json.dumps(['sync', {'since': 0}])}")
        acks = await answers(socket, 1)
        assert acks, "the connection did not live on"
        assert '"ok":true' in acks[0].replace(" ", "")
        assert (await app.command("sync", {"since": 0}))["ok"], "the other device was touched"


async def test_unreadable_frames_are_answered_and_end_the_connection(running: Running) -> None:
    for path, frame in (("socket.io", "42{nonsense"), ("socket.io-msgpack", b"\xc1\xff\x00")):
        async with signed_up(running.node.url) as app, raw_socket(app, path) as socket:
            for _ in range(12):
                await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
            seen = b""
            async with asyncio.timeout(20):
                while (message := await socket.receive()).type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                    seen += message.data if isinstance(message.data, bytes) else message.data.encode()
            assert b"session.error" in seen
            assert b"protocol" in seen
    assert "Traceback" not in running.node.output


async def test_a_frame_over_a_mebibyte_closes_with_1009(running: Running) -> None:
    async with signed_up(running.node.url) as app, raw_socket(app) as socket:
        send_head(socket, 1_200_000)
        async with asyncio.timeout(20):
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert socket.close_code == 1009


async def test_ten_thousand_commands_at_once(running_limited: Running) -> None:
    """Each is answered, once; what was accepted is in the log once; memory stays where it was."""
    running = running_limited
    async with signed_up(running.node.url) as app, raw_socket(app) as socket:
        before = _memory_mb(running.node.pid)
        sending = asyncio.create_task(_flood(socket), name="flood")
        acks = await answers(socket, FLOOD)
        await sending
        assert len(acks) == FLOOD
        accepted = [ack for ack in acks if '"ok":true' in ack.replace(" ", "")]
        codes = {
            json.loads(ack.partition("[")[1] + ack.partition("[")[2])[0].get("error", {}).get("code") for ack in acks
        }
        assert codes <= {None, "rate_limited", "chat.busy", "overloaded"}, codes
        log = await app.whole_log()
        mine = [event for event in log if event["data"].get("role") == "user"]
        assert len(mine) == len(accepted) > 0
        assert _memory_mb(running.node.pid) - before < GROWTH_MB
        assert "Traceback" not in running.node.output


async def _flood(socket: aiohttp.ClientWebSocketResponse) -> None:
    for number in range(FLOOD):
        await socket.send_str(f"42{number}{json.dumps(['chat.send', {'cid': str(uuid.uuid4()), 'text': 'hi'}])}")


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def test_bad_requests_over_rest_get_their_status(running: Running) -> None:
    async with signed_up(running.node.url) as app, aiohttp.ClientSession() as session:
        authorised = {"Authorization": f"Bearer {app.tokens['access_token']}"}
        as_json = {**authorised, "Content-Type": "application/json"}
        before = await app.whole_log()
        for expected, method, path, headers, body in [
            (400, "POST", "/v1/goals", as_json, b"{"),
            (400, "POST", "/v1/goals", as_json, b'{"title": "\\ud800"}'),
            (400, "POST", "/v1/goals", as_json, b'{"title": "a", "$set": {"x": 1}}'),
            (400, "POST", "/v1/goals", as_json, b'{"title": NaN}'),
            (400, "POST", "/v1/goals", as_json, b"[" * 100_000),
            (400, "POST", "/v1/goals", {**as_json, "Idempotency-Key": "no"}, b'{"title": "a"}'),
            (415, "POST", "/v1/goals", {**authorised, "Content-Type": "text/xml"}, b"<a/>"),
            (413, "POST", "/v1/goals", as_json, b'{"title": "' + b"a" * 300_000 + b'"}'),
            (404, "GET", "/v1/nothing", authorised, None),
            (405, "PUT", "/v1/goals", as_json, b"{}"),
            (404, "GET", f"/v1/goals/{uuid.uuid4()}", authorised, None),
            (400, "GET", "/v1/goals?limit=100000", authorised, None),
            (400, "GET", "/v1/goals?$where=1", authorised, None),
        ]:
            async with session.request(method, app.url + path, headers=headers, data=body) as response:
                problem = await response.json(content_type=None)
                assert response.status == expected, (path, body, problem)
                assert response.content_type == "application/problem+json"
                assert problem["code"]
                assert problem["trace_id"]
        assert await app.whole_log() == before
        assert "Traceback" not in running.node.output


async def test_a_since_from_the_future_is_told_to_resync(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        auth = {"token": app.tokens["access_token"], "device_id": "d", "since": 9_999}
        url = f"{app.url}/socket.io/?EIO=4&transport=websocket"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await socket.receive()
            await socket.send_str(f"40{json.dumps(auth)}")
            seen = ""
            async with asyncio.timeout(10):
                while "session.resync" not in seen:
                    seen += (await socket.receive()).data
            assert '"ahead"' in seen
            assert '"resumed":false' in seen.replace(" ", "")


async def test_who_asks_without_end_who_is_there_is_slowed_at_both_doors_together(running_limited: Running) -> None:
    async with signed_up(running_limited.node.url) as app:
        asked = {"user_ids": [app.tokens["user_id"]]}
        for _ in range(PRESENCES.burst):
            assert (await app.command("presence.show", asked))["ok"]
        while (told := await app.rest("POST", "/v1/presence/query", asked))[0] == 200:
            pass  # what has come back meanwhile
        assert (told[0], told[1]["code"]) == (429, "rate_limited")
        assert 0 < told[1]["retry_after_ms"] <= 1000
        while (told := await app.rest("GET", f"/v1/people/{app.tokens['user_id']}/presence"))[0] == 200:
            pass
        assert (told[0], told[1]["code"]) == (429, "rate_limited")
        while (ack := await app.command("presence.show", asked))["ok"]:
            pass
        assert (ack["error"]["code"], ack["error"]["effect"]) == ("rate_limited", "none")
        assert (await app.command("goal.create", {"cid": str(uuid.uuid4()), "title": "Run"}))["ok"]
