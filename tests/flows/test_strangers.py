"""Every route and every command, without a token and with another user's ids (G5)."""

import json
import uuid
from typing import Any, get_args

import aiohttp
import msgspec
import pytest

from actors.commands import PUBLIC, Id
from tests.flows.app import App, signed_up
from tests.flows.conftest import Running
from tests.scripted_model import calls, says
from transport.contract.examples import example
from transport.rest.routes import Nothing, Route
from transport.rest.table import ROUTES
from transport.sockets.commands import NAMES

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]  # a process starts

CLOSED = [route for route in ROUTES if route.opens_to != "everyone"]
NEEDED: dict[str, dict[str, Any]] = {"goal.progress": {"progress": 50}, "profile.change": {"name": "Eve"}}
"""What a command needs beside its required fields."""


async def test_without_a_token_nothing_is_answered(running: Running) -> None:
    assert len(CLOSED) > 10
    async with aiohttp.ClientSession() as session:
        for route in CLOSED:
            url = running.node.url + _path(route, str(uuid.uuid4()))
            for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
                async with session.request(route.method, url, headers=headers, json={}) as response:
                    body = await response.json(content_type=None)
                    assert (response.status, body["code"]) == (401, "unauthenticated"), (route.name, body)


async def test_a_strangers_ids_are_not_found_and_nothing_changes(running: Running) -> None:
    async with signed_up(running.node.url) as ann, signed_up(running.node.url) as eve:
        goal = (await ann.surely("goal.create", {"title": "Ann's own goal"}))["goal"]
        sent = await ann.surely("chat.send", {"text": "hello"})
        await ann.replied(sent["reply_id"])
        running.model.script(calls(("remove_goal", {"goal": goal["id"]})), says("Shall I?"))
        await ann.replied((await ann.surely("chat.send", {"text": "remove it"}))["reply_id"])
        _, shown = await ann.rest("GET", "/v1/actions")
        (action,) = shown["items"]
        before, log = await _mine(ann), await ann.whole_log()
        known = {"session_id": ann.tokens["session_id"], "action_id": action["id"], "message_id": sent["message_id"]}
        known["user_id"] = ann.tokens["user_id"]
        for route in CLOSED:
            if route.places and route.role is None:
                path = route.path.format_map({name: known.get(name, goal["id"]) for name in route.places})
                body = None if route.body is Nothing else _least(route.body, route.name)
                status, answer = await eve.rest(route.method, path, body)
                assert status == 404, (route.name, answer)
                assert answer["code"] in {"not_found", "call.not_found"}, (route.name, answer)
        asked = {"user_ids": [ann.tokens["user_id"], goal["id"]]}
        assert await eve.rest("POST", "/v1/presence/query", asked) == (200, {"items": []})
        assert await eve.command("presence.show", asked) == {"ok": True, "items": []}
        tried = 0
        for name, command in PUBLIC.items():
            for field in _ids(command):
                least = {**_least(command, name), field: known.get(field, goal["id"]), "cid": str(uuid.uuid4())}
                needed = {other: known.get(other, goal["id"]) for other in _ids(command) if other in least}
                ack = await eve.command(name, {**least, **needed})
                assert not ack["ok"], (name, ack)
                assert ack["error"]["code"] in {"not_found", "chat.no_reply"}, (name, ack)
                assert ack["error"]["effect"] == "none"
                tried += 1
        assert tried >= 10
        assert await _mine(ann) == before
        assert await ann.whole_log() == log
        assert [event["type"] for event in await eve.whole_log()] == ["account.opened"]


async def test_who_has_not_joined_is_told_nothing_by_any_command(running: Running) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{running.node.url}/socket.io/?EIO=4&transport=websocket") as socket,
    ):
        assert (await socket.receive_str()).startswith("0")
        for n, name in enumerate(sorted(NAMES)):
            await socket.send_str(f"42{n}{json.dumps([name, {'cid': str(uuid.uuid4())}])}")
        await socket.send_str('40{"token": "nonsense", "device_id": "d"}')
        told = await socket.receive_str()
        assert told.startswith("44")
        assert json.loads(told[2:])["data"]["code"] == "unauthenticated"


def _path(route: Route, some_id: str) -> str:
    return route.path.format(**dict.fromkeys(route.places, some_id))


def _least(kind: Any, name: str) -> dict[str, Any]:
    """The least that is taken: made up from the types, so that what is added later is tried too."""
    return {
        **{field.name: example(field.type, field.name) for field in msgspec.structs.fields(kind) if field.required},
        **NEEDED.get(name, {}),
    }


def _ids(command: type[msgspec.Struct]) -> list[str]:
    """The fields that hold an id, or may."""
    return [field.name for field in msgspec.structs.fields(command) if Id in {field.type, *get_args(field.type)}]


async def _mine(app: App) -> list[Any]:
    return [await app.rest("GET", path) for path in ("/v1/me", "/v1/goals", "/v1/chat/messages", "/v1/actions")]
