"""The routes of goals, chat, profile and health, as an app uses them."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.transport.conftest import StartNode
from tests.transport.rest.test_door import call, call_text
from transport.rest.readiness import Readiness


async def test_a_goal_lives_over_rest(start_node: StartNode) -> None:
    node = await start_node()
    status, created, headers = await call(node, "POST", "/v1/goals", {"title": "run"})
    goal = created["goal"]
    assert (status, created["seq"]) == (201, 1)
    assert headers["Content-Type"] == "application/json"
    assert goal["created_at"] == "2025-11-22T20:03:51.123Z"
    where = f"/v1/goals/{goal['id']}"
    assert (await call(node, "GET", where))[:2] == (200, goal)
    assert (await call(node, "PATCH", where, {"title": "run far"}))[0] == 200
    assert (await call(node, "POST", where + "/progress", {"progress": 40}))[0] == 200
    assert (await call(node, "POST", where + "/complete"))[1]["goal"]["status"] == "done"
    assert (await call(node, "POST", where + "/reopen", {}))[1]["goal"]["status"] == "open"
    removed = await call(node, "DELETE", where + "?cascade=delete")
    assert removed[:2] == (200, {"goal_id": goal["id"], "removed": [goal["id"]], "seq": 6})
    assert (await call(node, "GET", where))[0] == 404


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"title": "mine now"}),
        ("DELETE", "", None),
        ("POST", "/progress", {"progress": 1}),
        ("POST", "/complete", None),
        ("POST", "/reopen", None),
    ],
)
async def test_a_strangers_goal_is_not_there(start_node: StartNode, method: str, rest: str, body: Any) -> None:
    node = await start_node()
    goal = (await call(node, "POST", "/v1/goals", {"title": "run"}))[1]["goal"]
    bo = {"Authorization": "Bearer bo/s2"}
    for goal_id in (goal["id"], str(uuid.uuid4()), "x", "%00", "$ne"):
        status, problem, _ = await call(node, method, f"/v1/goals/{goal_id}{rest}", body, bo)
        assert (status, problem["code"]) == (404, "not_found")
    assert node.sessions["ann"].goals[goal["id"]].title == "run"


async def test_what_the_path_says_the_body_may_not(start_node: StartNode) -> None:
    node = await start_node()
    goal = (await call(node, "POST", "/v1/goals", {"title": "run"}))[1]["goal"]
    path = f"/v1/goals/{goal['id']}/progress"
    status, problem, _ = await call(node, "POST", path, {"progress": 5, "goal_id": goal["id"]})
    assert (status, problem["fields"]) == (400, {"goal_id": "is not a known field"})


async def test_goals_come_in_pages(start_node: StartNode) -> None:
    node = await start_node()
    for n in range(3):
        await call(node, "POST", "/v1/goals", {"title": f"{n}"})
    _, page, _ = await call(node, "GET", "/v1/goals?limit=2&status=open")
    assert [goal["title"] for goal in page["items"]] == ["0", "1"]
    _, rest, _ = await call(node, "GET", f"/v1/goals?limit=2&cursor={page['next_cursor']}")
    assert [goal["title"] for goal in rest["items"]] == ["2"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "status=lost", "order=asc", "limit=1e9", "cursor=" + "x" * 600, "a%00=1"],
)
async def test_a_query_that_makes_no_sense_is_invalid(start_node: StartNode, query: str) -> None:
    node = await start_node()
    status, problem, _ = await call(node, "GET", f"/v1/goals?{query}")
    assert (status, problem["code"]) == (400, "invalid")


async def test_chat_over_rest(start_node: StartNode) -> None:
    node = await start_node()
    for n in range(3):
        status, sent, _ = await call(node, "POST", "/v1/chat/messages", {"text": f"{n}"})
        assert status == 201
        assert sent.keys() == {"message_id", "reply_id", "seq"}
    _, page, _ = await call(node, "GET", "/v1/chat/messages?limit=2")
    assert [message["text"] for message in page["items"]] == ["2", "1"]
    for cursor in (f"cursor={page['next_cursor']}", f"before={page['items'][-1]['seq']}"):
        _, rest, _ = await call(node, "GET", f"/v1/chat/messages?limit=2&{cursor}")
        assert [message["text"] for message in rest["items"]] == ["0"]
        assert rest["next_cursor"] is None


async def test_the_profile_and_the_snapshot_to_start_from(start_node: StartNode) -> None:
    node = await start_node()
    _, me, _ = await call(node, "GET", "/v1/me")
    assert (me["user_id"], me["preferences"]["theme"]) == ("ann", "system")
    for n in range(3):
        await call(node, "POST", "/v1/goals", {"title": f"{n}"})
    await call(node, "POST", "/v1/chat/messages", {"text": "hi"})
    _, snapshot, _ = await call(node, "GET", "/v1/me/snapshot")
    assert snapshot["seq"] == 4
    assert [goal["title"] for goal in snapshot["goals"]] == ["0", "1", "2"]
    assert snapshot["messages"][0]["text"] == "hi"
    assert snapshot["profile"] == me


async def test_the_process_says_that_it_lives(start_node: StartNode) -> None:
    node = await start_node(checks={})
    assert (await call(node, "GET", "/healthz", headers={"Authorization": ""}))[:2] == (200, {"status": "ok"})


async def test_readiness_names_each_part_its_latency_and_what_last_went_wrong(start_node: StartNode) -> None:
    broken = {"mongo": False, "models": True}

    async def mongo() -> None:
        if broken["mongo"]:
            raise ConnectionError("mongodb://user:SECRET@host")

    async def models() -> None:
        if broken["models"]:
            await asyncio.sleep(60)

    async def redis() -> None:
        """Well."""

    node = await start_node(checks={"mongo": mongo, "models": models, "redis": redis})
    node.doors.readiness._limit = 0.1
    status, report, _ = await call(node, "GET", "/readyz")
    assert (status, report["status"]) == (200, "degraded")
    assert {name: part["state"] for name, part in report["parts"].items()} == {
        "mongo": "ok",
        "redis": "ok",
        "s3": "off",
        "search": "off",
        "models": "down",
        "speech": "off",
        "mail": "off",
    }
    assert report["parts"]["mongo"]["latency_ms"] >= 0
    broken.update(mongo=True, models=False)
    status, report, _ = await call(node, "GET", "/readyz")
    assert (status, report["status"]) == (503, "not_ready")
    assert report["parts"]["mongo"]["last_error"] == "ConnectionError"
    broken["mongo"] = False
    status, report, _ = await call(node, "GET", "/readyz")
    assert (status, report["status"]) == (200, "ready")
    assert report["parts"]["mongo"]["last_error"] == "ConnectionError"
    assert report["parts"]["mongo"]["last_error_at"].endswith("Z")
    node.doors.readiness.draining = True
    status, report, _ = await call(node, "GET", "/readyz")
    assert (status, report["status"]) == (503, "draining")


async def test_many_who_ask_at_once_cost_one_look() -> None:
    looks = 0

    async def mongo() -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.01)

    readiness = Readiness({"mongo": mongo}, fresh=60)
    await asyncio.gather(*(readiness.report() for _ in range(50)))
    assert looks == 1


async def test_whoever_opens_the_address_sees_what_this_is(start_node: StartNode) -> None:
    node = await start_node()
    status, page, headers = await call_text(node, "/", {"Host": "<script>alert(1)</script>"})
    assert status in {200, 400}
    status, page, headers = await call_text(node, "/")
    assert status == 200
    assert "mongo" in page
    assert node.url in page
    assert "<script" not in page
    assert "http" not in page.replace(node.url, "")
    assert "unsafe" not in headers["Content-Security-Policy"]
