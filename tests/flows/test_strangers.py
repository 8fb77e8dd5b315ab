"""Every route and every command, without a token and with another user's ids (G5)."""

import uuid
from typing import Any

import aiohttp
import pytest

from actors.commands import PUBLIC
from tests.flows.app import App, signed_up
from tests.flows.conftest import Running
from tests.scripted_model import calls, says
from transport.rest.routes import Nothing, Route
from transport.rest.table import ROUTES

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]  # a process starts

CLOSED = [route for route in ROUTES if route.opens_to != "everyone"]
FOREIGN_FIELDS = ("goal_id", "message_id", "parent_id", "action_id")
BODIES: dict[str, dict[str, Any]] = {
    "chat.send": {"text": "hello"},
    "goal.create": {"title": "A goal"},
    "goal.change": {"title": "Mine now"},
    "goal.move": {"parent_id": None},
    "goal.progress": {"progress": 50},
    "profile.change": {"name": "Eve"},
}


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
        for route in CLOSED:
            if route.places:
                path = _path(route, known.get(route.places[0], goal["id"]))
                status, body = await eve.rest(route.method, path, None if _bodyless(route) else BODIES[route.name])
                assert (status, body["code"]) == (404, "not_found"), (route.name, body)
        for name, command in PUBLIC.items():
            for field in set(FOREIGN_FIELDS) & set(command.__struct_fields__):
                ids = {"goal_id": goal["id"]} if "goal_id" in command.__struct_fields__ else {}
                foreign = {"message_id": sent["message_id"], "action_id": action["id"]}.get(field, goal["id"])
                ack = await eve.command(name, {"cid": str(uuid.uuid4()), **BODIES.get(name, {}), **ids, field: foreign})
                assert not ack["ok"], (name, ack)
                assert ack["error"]["code"] in {"not_found", "chat.no_reply"}, (name, ack)
                assert ack["error"]["effect"] == "none"
        assert await _mine(ann) == before
        assert await ann.whole_log() == log
        assert [event["type"] for event in await eve.whole_log()] == ["account.opened"]


def _path(route: Route, some_id: str) -> str:
    return route.path.format(**dict.fromkeys(route.places, some_id))


def _bodyless(route: Route) -> bool:
    return route.body is Nothing


async def _mine(app: App) -> list[Any]:
    return [await app.rest("GET", path) for path in ("/v1/me", "/v1/goals", "/v1/chat/messages", "/v1/actions")]
