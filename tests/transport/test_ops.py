"""What a device did offline: each op has its own answer, in order, whatever becomes of the others."""

import uuid
from typing import Any

from actors.journal.journaled import Order
from actors.questions import TakeOps
from actors.runtime.envelope import Overloaded
from tests.transport.conftest import StartNode
from tests.transport.rest.test_door import call
from tests.transport.sockets.devices import Device

AT = "2025-11-22T19:00:00.000Z"


def op(name: str, body: dict[str, Any], **given: str) -> dict[str, Any]:
    return {"cid": str(uuid.uuid4()), "name": name, "body": body, "occurred_at": AT, **given}


async def test_each_op_is_answered_as_its_command_is_by_both_doors(start_node: StartNode) -> None:
    node = await start_node()
    ops = [
        op("goal.create", {"title": "Run"}),
        op("goal.create", {"title": 7}),
        op("no.such", {}),
        op("sync", {"since": 0}),
        op("goal.complete", {"goal_id": str(uuid.uuid4())}),
        op("chat.send", {"text": "hi"}, cid="not a cid"),
        op("chat.send", {"text": "hi"}),
    ]
    status, over_rest, _ = await call(node, "POST", "/v1/ops", {"ops": ops})
    results = over_rest["results"]
    assert (status, [result["cid"] for result in results]) == (200, [one["cid"] for one in ops])
    assert [result["ok"] for result in results] == [True, False, False, False, False, False, True]
    assert results[0]["answer"]["goal"]["title"] == "Run"
    assert [results[0]["seq"], results[-1]["seq"]] == [1, 2]
    assert [result["error"]["code"] for result in results[1:-1]] == [
        "invalid", "invalid.command", "invalid.command", "not_found", "invalid",
    ]  # fmt: skip
    assert results[1]["error"]["fields"].keys() == {"title"}
    async with Device(node.url) as device:
        again = await device.ask("ops", {"ops": ops})
        assert again["ok"]
        assert [(one["cid"], one["ok"], one.get("seq")) for one in again["results"]] == [
            (one["cid"], one["ok"], one.get("seq")) for one in results
        ]
    assert node.sessions["ann"].seq == 2
    assert node.sessions["ann"].asked["TakeOps"] == 2


async def test_an_outage_stops_what_would_come_after_it(start_node: StartNode) -> None:
    node = await start_node()
    session, tried = node.sessions["ann"], 0

    async def full(message: Any) -> None:
        nonlocal tried
        if isinstance(message, Order):
            tried += 1
            if tried == 2:
                raise Overloaded(retry_after_ms=700)

    session.before = full
    ops = [op("chat.send", {"text": str(number)}) for number in range(4)]
    _, answered, _ = await call(node, "POST", "/v1/ops", {"ops": ops})
    ended = [one.get("error", {}).get("code") for one in answered["results"]]
    assert ended == [None, "overloaded", "unavailable", "unavailable"]
    assert all(one["error"]["effect"] == "none" for one in answered["results"][1:])
    assert tried == 2


async def test_the_batch_itself_is_bounded_and_charged(start_node: StartNode) -> None:
    node = await start_node()
    many = [op("chat.send", {"text": "hi"}) for _ in range(501)]
    for ops, code in (
        (many, "too_large"),
        ("x", "invalid"),
        ([1], "invalid"),
        ([{"cid": "x"}], "invalid"),
        ([op("chat.send", {"text": "hi"}, occurred_at="2025-11-22T19:00:00")], "invalid"),
    ):
        status, problem, _ = await call(node, "POST", "/v1/ops", {"ops": ops})
        assert problem["code"] == code, problem
        assert status == (413 if code == "too_large" else 400)
    whole = [op("chat.send", {"text": "hi"}) for _ in range(500)]
    _, answered, _ = await call(node, "POST", "/v1/ops", {"ops": whole}, {"Authorization": "Bearer bo/s2"})
    assert [one["seq"] for one in answered["results"]] == list(range(1, 501))
    huge = [op("chat.send", {"text": "x" * 1_000}) for _ in range(300)]
    async with Device(node.url) as device:
        assert (await device.ask("ops", {"ops": huge}))["error"]["code"] == "too_large"

        async def busy(message: Any) -> None:
            if isinstance(message, TakeOps):
                raise Overloaded(retry_after_ms=700)

        node.sessions["ann"].before = busy
        refused = await device.ask("ops", {"ops": many[:1]})
        assert (refused["ok"], refused["error"]["code"]) == (False, "overloaded")
    assert node.sessions["ann"].seq == 0
