"""Every route and every command, without a token and with another user's ids (G5)."""

import uuid
from typing import Any

import aiohttp
import pytest

from actors.commands import PUBLIC
from tests.flows.app import App, signed_up
from tests.flows.conftest import Running
from transport.rest import chat, goals, health, profile
from transport.rest.middleware import PUBLIC as OPEN_ROUTES

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]  # a process starts

AUTH_ROUTES = [
    ("POST", "/v1/auth/logout"),
    ("POST", "/v1/auth/logout-all"),
    ("GET", "/v1/auth/sessions"),
    ("DELETE", "/v1/auth/sessions/{id}"),
]
ROUTES = [
    *((route.method, route.path) for module in (chat, goals, profile, health) for route in module.ROUTES),
    *AUTH_ROUTES,
]
CLOSED = [(method, path) for method, path in ROUTES if path not in OPEN_ROUTES]
FOREIGN_FIELDS = ("goal_id", "message_id", "parent_id")
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
        for method, path in CLOSED:
            url = running.node.url + path.replace("{id}", str(uuid.uuid4()))
            for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
                async with session.request(method, url, headers=headers, json={}) as response:
                    body = await response.json(content_type=None)
                    assert (response.status, body["code"]) == (401, "unauthenticated"), (method, path, body)


async def test_a_strangers_ids_are_not_found_and_nothing_changes(running: Running) -> None:
    async with signed_up(running.node.url) as ann, signed_up(running.node.url) as eve:
        goal = (await ann.surely("goal.create", {"title": "Ann's own goal"}))["goal"]
        sent = await ann.surely("chat.send", {"text": "hello"})
        await ann.replied(sent["reply_id"])
        before, log = await _mine(ann), await ann.whole_log()
        for method, path in CLOSED:
            if "{id}" in path and "sessions" not in path:
                status, body = await eve.rest(method, path.replace("{id}", goal["id"]), _body(path))
                assert (status, body["code"]) == (404, "not_found"), (method, path, body)
        status, body = await eve.rest("DELETE", f"/v1/auth/sessions/{ann.tokens['session_id']}")
        assert status == 404, body
        for name, command in PUBLIC.items():
            for field in set(FOREIGN_FIELDS) & set(command.__struct_fields__):
                ids = {"goal_id": goal["id"]} if "goal_id" in command.__struct_fields__ else {}
                foreign = sent["message_id"] if field == "message_id" else goal["id"]
                ack = await eve.command(name, {"cid": str(uuid.uuid4()), **BODIES.get(name, {}), **ids, field: foreign})
                assert not ack["ok"], (name, ack)
                assert ack["error"]["code"] in {"not_found", "chat.no_reply"}, (name, ack)
                assert ack["error"]["effect"] == "none"
        assert await _mine(ann) == before
        assert await ann.whole_log() == log
        assert [event["type"] for event in await eve.whole_log()] == ["account.opened"]


BY_LAST_WORD: dict[str, dict[str, Any]] = {"progress": {"progress": 10}, "move": {"parent_id": None}}


def _body(path: str) -> dict[str, Any]:
    return BY_LAST_WORD.get(path.rpartition("/")[2], {})


async def _mine(app: App) -> list[Any]:
    return [await app.rest("GET", path) for path in ("/v1/me", "/v1/goals", "/v1/chat/messages")]
