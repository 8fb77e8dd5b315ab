"""A device that was offline says what its user did meanwhile: on the days they did it, once, in order."""

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.flows.app import App, second_device, signed_up
from tests.flows.conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]  # a process starts


def op(name: str, body: dict[str, Any], ago: timedelta = timedelta(hours=1)) -> dict[str, Any]:
    at = (datetime.now(UTC) - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"cid": str(uuid.uuid4()), "name": name, "body": body, "occurred_at": at}


async def results(app: App, ops: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ack = await app.command("ops", {"ops": ops})
    assert ack["ok"], ack
    found: list[dict[str, Any]] = ack["results"]
    return found


async def test_what_was_done_on_days_without_a_network_makes_the_streak(running: Running) -> None:
    async with signed_up(running.node.url) as app, second_device(app) as other:
        goal = (await app.surely("goal.create", {"title": "Run"}))["goal"]
        await other.rest("POST", f"/v1/goals/{goal['id']}/progress", {"progress": 5})
        days = [
            op("goal.progress", {"goal_id": goal["id"], "progress": 10 * (3 - n)}, timedelta(days=n)) for n in (2, 1, 0)
        ]
        wrong = [
            op("goal.progress", {"goal_id": goal["id"], "progress": 5}, timedelta(days=31)),
            op("goal.progress", {"goal_id": goal["id"], "progress": 5}, -timedelta(days=1)),
            op("goal.progress", {"goal_id": str(uuid.uuid4()), "progress": 5}),
        ]
        first = await results(app, [days[0], wrong[0], days[1], wrong[1], wrong[2], days[2]])
        assert [one["ok"] for one in first] == [True, False, True, False, False, True]
        assert [one["error"]["fields"] for one in (first[1], first[3])] == [
            {"occurred_at": "must lie within the last 30 days"}
        ] * 2
        log = await app.whole_log()
        recorded = [event["data"] for event in log if event["type"] == "goal.progressed"][1:]
        assert [one["occurred_at"] for one in recorded] == [one["occurred_at"] for one in days]
        assert len({one["day"] for one in recorded}) == 3
        _, me = await app.rest("GET", "/v1/me")
        assert me["stats"]["streak_days"] == 3
        assert await results(app, days) == [one for one in first if one["ok"]]
        status, again = await other.rest("POST", "/v1/ops", {"ops": days})
        assert (status, [one["seq"] for one in again["results"]]) == (200, [one["seq"] for one in first if one["ok"]])
        assert await app.whole_log() == log


async def test_a_message_sent_live_and_again_from_the_queue_is_one_message(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        queued = op("chat.send", {"text": "hello"})
        sent = await app.surely("chat.send", {"cid": queued["cid"], "text": "hello"})
        (again,) = await results(app, [queued])
        assert again == {"cid": queued["cid"], "ok": True, "seq": sent["seq"], "answer": again["answer"]}
        assert {"ok": True, **again["answer"]} == sent
        await app.replied(sent["reply_id"])


async def test_many_at_once_are_seen_by_the_other_device_in_order(running: Running) -> None:
    async with signed_up(running.node.url) as app, second_device(app) as other:
        await other.connect()
        ops = [op("goal.create", {"title": f"Goal {number}"}) for number in range(150)]
        began = time.monotonic()
        async with asyncio.timeout(30):
            status, answered = await app.rest("POST", "/v1/ops", {"ops": ops})
        print(f"150 ops: {time.monotonic() - began:.2f} s")
        assert (status, {one["ok"] for one in answered["results"]}) == (200, {True})
        await other.until(lambda event: event["seq"] == answered["results"][-1]["seq"])
        titles = [event["data"]["goal"]["title"] for event in other.events if event["type"] == "goal.created"]
        assert titles == [f"Goal {number}" for number in range(150)]


async def test_a_batch_counts_as_one_message(running_limited: Running) -> None:
    async with signed_up(running_limited.node.url) as app:
        batches = [await app.command("ops", {"ops": [op("chat.send", {"text": "a"})]}) for _ in range(2)]
        assert all(batch["ok"] for batch in batches)
        many = await results(app, [op("chat.send", {"text": str(number)}) for number in range(25)])
        assert "rate_limited" not in str(many), "all of them were charged for as one"
        while (ack := await app.command("ops", {"ops": []}))["ok"]:
            pass
        assert ack["error"]["code"] == "rate_limited"
        refused = await app.command("chat.send", {"cid": str(uuid.uuid4()), "text": "and this?"})
        assert refused["error"]["code"] == "rate_limited"
