"""Stock clients on both paths see one conversation: live, in order, after a restart, and with what they missed."""

import asyncio
import uuid

import pytest

from tests.flows.app import PASSWORD, App, second_device, signed_up
from tests.flows.browser import JS
from tests.flows.conftest import Running
from tests.flows.stock import share_one_conversation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(60),  # processes start
    pytest.mark.skipif(not (JS / "node_modules").exists(), reason="scripts/test installs the JavaScript clients"),
]


async def test_two_stock_clients_share_one_live_conversation(running: Running) -> None:
    await share_one_conversation(running.node.url)


async def test_what_is_read_on_one_device_is_read_on_all(running: Running) -> None:
    async with signed_up(running.node.url) as phone, second_device(phone) as laptop:
        await laptop.connect()
        sent = await phone.surely("chat.send", {"text": "hello"})
        reply = await phone.replied(sent["reply_id"])
        _, before = await laptop.rest("GET", "/v1/me/snapshot")
        assert before["threads"] == [{"thread": "coach", "through": 0, "unread": 1}]
        ack = await phone.surely("chat.read", {"seq": phone.seq})
        assert (ack["through"], ack["unread"]) == (reply["seq"], 0)
        marked = await laptop.until(lambda event: event["type"] == "thread.read")
        assert marked["data"] == {"thread": "coach", "through": reply["seq"]}
        assert (await laptop.rest("POST", "/v1/chat/read", {"seq": 1}))[1]["through"] == ack["through"]
        _, after = await laptop.rest("GET", "/v1/me/snapshot")
        assert after["threads"] == [{"thread": "coach", "through": ack["through"], "unread": 0}]
        late = await phone.command("chat.read", {"cid": str(uuid.uuid4()), "seq": 9_999})
        assert late["error"]["fields"] == {"seq": "is not in the log yet"}


async def test_who_types_is_seen_on_their_other_devices_and_nowhere_else(running: Running) -> None:
    async with (
        signed_up(running.node.url) as phone,
        signed_up(running.node.url) as stranger,
        second_device(phone, path="socket.io-msgpack", serializer="msgpack") as laptop,
    ):
        await laptop.connect()
        assert await phone.command("chat.typing", {"on": True}) == {"ok": True}
        assert await phone.command("chat.typing", {"on": False}) == {"ok": True}
        async with asyncio.timeout(5):
            while len(laptop.signals) < 2:  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)
        told = [{"type": "typing", "data": {"thread": "coach", "on": on}} for on in (True, False)]
        assert (laptop.signals, phone.signals, stranger.signals) == (told, [], [])
        wrong = await phone.command("chat.typing", {"on": "yes"})
        assert (wrong["ok"], wrong["error"]["code"]) == (False, "invalid")


async def test_a_device_that_was_away_gets_what_it_missed_in_order(running: Running) -> None:
    async with (
        signed_up(running.node.url) as first,
        second_device(first, path="socket.io-msgpack", serializer="msgpack") as other,
    ):
        await other.connect()
        await first.surely("goal.create", {"title": "Before"})
        await other.until(lambda event: event["type"] == "goal.created")
        await other.disconnect()
        for number in range(30):
            await first.surely("goal.create", {"title": f"Away {number}"})
        sent = await first.surely("chat.send", {"text": "hello"})
        await first.replied(sent["reply_id"])
        await other.connect()
        await other.replied(sent["reply_id"])
        assert other.ready["resumed"]
        assert [event["seq"] for event in other.events] == list(range(other.events[0]["seq"], first.seq + 1))
        await first.until(lambda event: event["seq"] == other.seq)
        assert other.events == first.events[-len(other.events) :]


async def test_history_is_there_after_a_restart(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        sent = await app.surely("chat.send", {"text": "remember me"})
        await app.replied(sent["reply_id"])
        goal = (await app.surely("goal.create", {"title": "Swim"}))["goal"]
        log = await app.whole_log()
        _, page = await app.rest("GET", "/v1/chat/messages")
        live = {event["data"]["id"]: event["data"] for event in app.events if event["type"] == "message.added"}
        for message in page["items"]:
            assert message.items() <= live[message["id"]].items(), "the history tells another story than the event"
        assert await running.node.stop(30), "it had to be killed"
        await running.node.start_ready()
        await app.connect()
        assert await app.whole_log() == log
        status, page = await app.rest("GET", "/v1/goals")
        assert (status, [one["id"] for one in page["items"]]) == (200, [goal["id"]])
        again = App(running.node.url, email=app.email)
        status, again.tokens = await again.rest("POST", "/v1/auth/login", {"email": app.email, "password": PASSWORD})
        assert status == 200
        status, me = await again.rest("GET", "/v1/me")
        assert (status, me["email"], me["name"]) == (200, app.email, "Ann")


async def test_completing_a_goal_moves_the_stats(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        goal = (await app.surely("goal.create", {"title": "Swim"}))["goal"]
        await app.surely("goal.complete", {"goal_id": goal["id"]})
        _, me = await app.rest("GET", "/v1/me")
        assert me["stats"] == {"goals_completed": 1, "streak_days": 1, "total_progress": 100.0}
        await app.surely("goal.reopen", {"goal_id": goal["id"]})
        _, me = await app.rest("GET", "/v1/me")
        assert me["stats"]["goals_completed"] == 0


async def test_the_same_key_over_rest_and_socket_has_one_effect(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        cid = str(uuid.uuid4())
        status, made = await app.rest("POST", "/v1/goals", {"title": "Once"}, **{"Idempotency-Key": cid})
        assert status == 201
        ack = await app.surely("goal.create", {"cid": cid, "title": "Once"})
        assert ack["goal"] == made["goal"]
        ack = await app.command("goal.create", {"cid": cid, "title": "Twice"})
        assert ack["error"]["code"] == "conflict.cid"
        status, refused = await app.rest("POST", "/v1/goals", {"title": "Thrice"}, **{"Idempotency-Key": cid})
        assert (status, refused["code"]) == (409, "conflict.cid")
        assert len([event for event in await app.whole_log() if event["type"] == "goal.created"]) == 1


async def test_signing_out_closes_the_sockets_of_that_device_alone(running: Running) -> None:
    async with signed_up(running.node.url) as app:
        other = App(running.node.url, email=app.email)
        _, other.tokens = await other.rest("POST", "/v1/auth/login", {"email": app.email, "password": PASSWORD})
        await other.connect()
        status, _ = await other.rest("POST", "/v1/auth/logout")
        assert status in {200, 204}
        await _closed(other)
        assert other.closings[-1]["code"] == "auth.revoked"
        status, refused = await other.rest("GET", "/v1/me")
        assert (status, refused["code"]) == (401, "auth.revoked")
        assert (await app.surely("goal.create", {"title": "Still here"}))["ok"]


async def _closed(app: App) -> None:
    async with asyncio.timeout(1.0):
        while app._socket is not None and app._socket.connected:  # noqa: ASYNC110 - the client has no event for it
            await asyncio.sleep(0.02)
