"""What a device sees: letting in, events in order, commands, two paths that show the same."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from actors.journal.journaled import Order
from actors.questions import Attach, Missed
from actors.runtime.envelope import Crashed, Overloaded, Refused, TimedOut, Unavailable
from tests.transport.conftest import ORIGIN, StartNode
from tests.transport.sockets.devices import Device, Raw, cid
from transport.sockets.limits import Limits

PATHS = ["socket.io", "socket.io-msgpack"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_a_stock_client_comes_in_and_its_commands_are_acked(
    start_node: StartNode,
    path: str,
    transports: list[str],
) -> None:
    node = await start_node()
    device = Device(node.url, path)
    async with await device.connect(*transports):
        assert device.of("session.ready") == [
            {"user_id": "ann", "log": "log-1", "seq": 0, "resumed": False, "node": "n1"},
        ]
        answer = await device.ask("chat.send", {"cid": cid(), "text": "hi"})
        assert answer["ok"]
        assert answer["seq"] == 1
        await device.until(lambda: device.seqs() == [1])
        event = device.of("event")[0]
        assert event["type"] == "message.added"
        assert event["at"] == "2025-11-22T20:03:51.123Z"
        assert event["data"]["text"] == "hi"


async def test_all_devices_of_a_user_see_the_same_whatever_they_speak(start_node: StartNode) -> None:
    node = await start_node()
    async with (
        Device(node.url) as one,
        Device(node.url, PATHS[1], device_id="laptop") as two,
        Device(node.url, token="bo/s9", device_id="phone") as stranger,
    ):
        await one.ask("chat.send", {"cid": cid(), "text": "hi"})
        await two.ask("goal.create", {"cid": cid(), "title": "run"})
        node.sessions.outbox.signal("session:ann", "reply.delta", {"message_id": "m", "index": 0, "text": "x"})
        await one.until(lambda: one.seqs() == two.seqs() == [1, 2] and one.of("signal") and two.of("signal"))
        assert one.of("event") == two.of("event")
        assert one.of("signal") == [{"type": "reply.delta", "data": {"message_id": "m", "index": 0, "text": "x"}}]
        assert stranger.names() == ["session.ready"]


async def test_a_signal_for_one_connection_reaches_only_that_one(start_node: StartNode) -> None:
    node = await start_node()
    async with Device(node.url) as one, Device(node.url, device_id="laptop") as two:
        first = next(iter(node.sessions["ann"].connections))
        node.sessions.outbox.signal("session:ann", "typing", {"on": True}, connection=first)
        await one.until(lambda: one.of("signal"))
        assert two.of("signal") == []


@pytest.mark.parametrize(
    ("auth", "code"),
    [
        ({"token": "forged"}, "unauthenticated"),
        ({"token": "ann/over"}, "auth.revoked"),
        ({"token": 5}, "invalid"),
        ({"device_id": ""}, "invalid"),
        ({"since": -1}, "invalid"),
        ({"since": "1"}, "invalid"),
        ({"since": 10**30}, "invalid"),
        ({"admin": True}, "invalid"),
    ],
)
async def test_who_may_not_come_in_is_told_why(start_node: StartNode, auth: dict[str, Any], code: str) -> None:
    node = await start_node()
    node.logins.revoke("over")
    async with Raw(node.http) as raw:
        kind, _, refusal = await raw.join(**auth)
        assert kind == 4
        assert refusal["data"]["code"] == code
        assert refusal["data"]["effect"] == "none"
        assert refusal["message"]
    assert list(node.gateway.outbox) == []


async def test_a_session_out_of_reach_refuses_the_connect(start_node: StartNode) -> None:
    node = await start_node()

    async def away(_message: Any) -> None:
        raise Unavailable(retry_after_ms=500)

    node.sessions["ann"].before = away
    async with Raw(node.http) as raw:
        _, _, refusal = await raw.join()
    assert (refusal["data"]["code"], refusal["data"]["retry_after_ms"]) == ("unavailable", 500)
    assert list(node.gateway.outbox) == []


async def test_a_device_that_connects_too_often_waits_and_no_other_does(start_node: StartNode) -> None:
    node = await start_node()
    for _ in range(10):
        async with Raw(node.http) as raw:
            assert (await raw.join())[0] == 0
    async with Raw(node.http) as raw, Device(node.url, device_id="laptop"), Device(node.url, token="bo/s9"):
        kind, _, refusal = await raw.join()
        assert (kind, refusal["data"]["code"]) == (4, "rate_limited")
        assert 0 < refusal["data"]["retry_after_ms"] <= 6_000


async def test_whoever_proves_nothing_locks_no_device_out(start_node: StartNode) -> None:
    node = await start_node()
    for _ in range(12):
        async with Raw(node.http) as raw:
            assert (await raw.join(token="forged"))[2]["data"]["code"] == "unauthenticated"
    async with Device(node.url, device_id="raw"):
        pass


async def test_a_device_that_was_away_gets_what_it_missed_in_order_and_then_what_is_live(start_node: StartNode) -> None:
    node = await start_node()
    ann = node.sessions["ann"]
    for n in range(450):
        ann.say(f"{n}")

    async def busy(message: Any) -> None:
        if isinstance(message, Missed | Attach):
            ann.say("meanwhile")
            await asyncio.sleep(0.01)
            ann.say("and again")

    ann.before = busy
    async with Device(node.url, since=3) as device:
        assert device.of("session.ready")[0]["resumed"]
        await device.until(lambda: len(device.seqs()) >= 455)
        ann.before = None
        ann.say("live")
        await device.until(lambda: device.seqs()[-1] == ann.seq)
        assert device.seqs() == list(range(4, ann.seq + 1))
        assert device.names()[0] == "session.ready"
        assert [e["data"]["text"] for e in device.of("event")] == [e.data.text for e in ann.events[3:]]  # type: ignore[attr-defined]


async def test_a_lost_push_is_pulled_from_the_log(start_node: StartNode) -> None:
    node = await start_node()
    ann = node.sessions["ann"]
    async with Device(node.url) as device:
        ann.say("lost", push=False)
        ann.say("lost too", push=False)
        ann.say("heard")
        await device.until(lambda: device.seqs() == [1, 2, 3])
        ann.outbox.push(ann.address, ann.events)
        ann.say("next")
        await device.until(lambda: device.seqs() == [1, 2, 3, 4])


async def test_a_push_lost_at_the_end_is_found_at_the_renewal(start_node: StartNode) -> None:
    node = await start_node(Limits(renew=0.2))
    ann = node.sessions["ann"]
    async with Device(node.url) as device:
        ann.say("lost", push=False)
        await device.until(lambda: device.seqs() == [1])
        assert ann.asked["Renew"] >= 1


def _has_one(device: Device) -> bool:
    return device.seqs() == [1]


async def test_devices_whose_sessions_are_at_one_node_are_renewed_with_one_question(start_node: StartNode) -> None:
    node = await start_node(Limits(renew=0.4))
    async with AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(Device(node.url, token=f"u{n}/s1")) for n in range(5)]
        for n, device in enumerate(devices):
            node.sessions[f"u{n}"].say("lost", push=False)
            await device.until(partial(_has_one, device))
        await devices[0].until(lambda: any(len(batch.users) == 5 for batch in node.sessions.batches))


@pytest.mark.parametrize(
    ("why", "asked"), [(Unavailable(), 1), (TimedOut(effect="unknown"), 0)], ids=["older program", "hangs"]
)
async def test_a_node_that_takes_no_batches_is_asked_one_by_one_unless_it_hangs(
    start_node: StartNode, why: Refused, asked: int
) -> None:
    node = await start_node(Limits(renew=0.2))
    node.sessions.no_batches = why
    ann = node.sessions["ann"]
    async with Device(node.url) as device:
        await device.until(lambda: len(node.sessions.batches) >= 2)
        assert bool(ann.asked["Renew"]) == bool(asked)
        ann.say("lost", push=False)
        node.sessions.no_batches = None
        await device.until(lambda: device.seqs() == [1])


async def test_a_log_out_of_reach_is_asked_again_until_it_answers(start_node: StartNode) -> None:
    node = await start_node()
    ann = node.sessions["ann"]

    async def away(message: Any) -> None:
        if isinstance(message, Missed) and ann.asked["Missed"] < 3:
            raise Unavailable

    ann.before = away
    ann.say("one")
    async with Device(node.url, since=0) as device:
        await device.until(lambda: device.seqs() == [1])


@pytest.mark.parametrize(("auth", "reason"), [({"since": 7}, "ahead"), ({"since": 1, "log": "log-0"}, "log")])
async def test_a_device_the_log_cannot_take_on_is_sent_to_the_snapshot(
    start_node: StartNode,
    auth: dict[str, Any],
    reason: str,
) -> None:
    node = await start_node()
    ann = node.sessions["ann"]
    ann.say("one")
    async with Device(node.url, **auth) as device:
        await device.until(lambda: device.of("session.resync"))
        assert device.of("session.resync") == [{"reason": reason, "snapshot_url": "/v1/me/snapshot"}]
        assert not device.of("session.ready")[0]["resumed"]
        ann.say("two")
        await device.until(lambda: device.seqs() == [2])


async def test_a_restored_log_resyncs_who_is_connected(start_node: StartNode) -> None:
    node = await start_node(Limits(renew=0.2))
    ann = node.sessions["ann"]
    ann.say("one")
    async with Device(node.url) as device:
        ann.log_id = "log-2"
        await device.until(lambda: device.of("session.resync"))
        assert device.of("session.resync")[0]["reason"] == "log"


@pytest.mark.parametrize(
    ("name", "body", "code", "field"),
    [
        ("chat.send", {"text": "hi"}, "invalid", "cid"),
        ("chat.send", {"cid": "x", "text": "hi"}, "invalid", "cid"),
        ("chat.send", {"cid": cid(), "text": 5}, "invalid", "text"),
        ("chat.send", {"cid": cid(), "text": "hi", "by": "coach"}, "invalid", "by"),
        ("chat.send", "text", "invalid", "$"),
        ("chat.send", [{"cid": cid(), "text": "x"}], "invalid", "$"),
        ("chat.send", None, "invalid", "cid"),
        ("goal.complete", {"cid": cid(), "goal_id": {"$gt": ""}}, "invalid", "goal_id"),
        ("goal.complete", {"cid": cid(), "goal_id": cid()}, "not_found", None),
        ("reply.finish", {"cid": cid()}, "invalid.command", None),
        ("account.open", {"cid": cid()}, "invalid.command", None),
        ("trigger_event", {}, "invalid.command", None),
        ("sync", {"since": -1}, "invalid", "since"),
        ("sync", {"since": 0, "limit": 501}, "invalid", "limit"),
        ("chat.history", {"limit": 0}, "invalid", "limit"),
        ("chat.send", {"cid": cid(), "text": "x" * 70_000}, "too_large", None),
    ],
)
@pytest.mark.parametrize("path", PATHS)
async def test_a_refused_command_says_why_and_changes_nothing(
    start_node: StartNode,
    path: str,
    name: str,
    body: Any,
    code: str,
    field: str | None,
) -> None:
    node = await start_node()
    async with Device(node.url, path) as device:
        answer = await device.ask(name, body)
        assert answer["ok"] is False
        assert answer["error"]["code"] == code
        assert answer["error"]["effect"] == "none"
        assert list(answer["error"].get("fields", {})) == ([field] if field else [])
        assert node.sessions["ann"].seq == 0
        assert device.io.connected


async def test_the_same_cid_again_has_no_second_effect_and_another_body_is_refused(start_node: StartNode) -> None:
    node = await start_node()
    same = cid()
    async with Device(node.url) as device:
        first = await device.ask("goal.create", {"cid": same, "title": "run"})
        assert await device.ask("goal.create", {"cid": same, "title": "run"}) == first
        other = await device.ask("goal.create", {"cid": same, "title": "swim"})
        assert other["error"]["code"] == "conflict.cid"
        assert node.sessions["ann"].seq == 1


async def test_what_is_not_known_to_have_happened_is_said(start_node: StartNode, caplog: Any) -> None:
    node = await start_node()
    ends = iter([Crashed(effect="unknown"), Overloaded(retry_after_ms=300), RuntimeError("SECRET")])

    async def fail(message: Any) -> None:
        if isinstance(message, Order):
            raise next(ends)

    node.sessions["ann"].before = fail
    async with Device(node.url) as device:
        answers = [await device.ask("chat.send", {"cid": cid(), "text": "hi"}) for _ in range(3)]
    assert [(a["error"]["code"], a["error"]["effect"]) for a in answers] == [
        ("failed", "unknown"),
        ("overloaded", "none"),
        ("failed", "unknown"),
    ]
    assert answers[1]["error"]["retry_after_ms"] == 300
    assert "SECRET" not in caplog.text


async def test_a_device_can_sync_and_read_history(start_node: StartNode) -> None:
    node = await start_node()
    for n in range(5):
        node.sessions["ann"].say(f"{n}")
    async with Device(node.url) as device:
        part = await device.ask("sync", {"since": 1, "limit": 2})
        assert [e["seq"] for e in part["events"]] == [2, 3]
        assert (part["ok"], part["seq"], part["more"]) == (True, 5, True)
        page = await device.ask("chat.history", {"limit": 3})
        assert [m["text"] for m in page["messages"]] == ["4", "3", "2"]
        rest = await device.ask("chat.history", {"limit": 3, "before": page["next"]})
        assert [m["text"] for m in rest["messages"]] == ["1", "0"]
        assert rest["next"] is None


async def test_the_trace_of_a_refusal_is_the_one_the_session_saw(start_node: StartNode) -> None:
    node = await start_node()
    async with Device(node.url) as device:
        answer = await device.ask("goal.complete", {"cid": cid(), "goal_id": cid()})
    assert answer["error"]["trace_id"] == node.sessions["ann"].traces[-1]


async def test_a_page_from_elsewhere_is_not_let_in(start_node: StartNode) -> None:
    node = await start_node()
    for path in PATHS:
        url = f"/{path}/?EIO=4&transport=polling"
        async with node.http.get(url, headers={"Origin": "https://evil.example"}) as answer:
            assert answer.status == 403
        headers = {"Origin": "http://127.0.0.1", "X-Forwarded-Host": "127.0.0.1"}
        async with node.http.get(url, headers=headers) as answer:
            assert answer.status == 403
        async with node.http.get(url, headers={"Origin": ORIGIN}) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
