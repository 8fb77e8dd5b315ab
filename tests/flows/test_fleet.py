"""One user, several nodes: whoever is asked, the one session answers, and every device sees the same."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.collector import Collector, collector
from tests.flows.app import App, signed_up
from tests.flows.fleet import device, fleet, placed, texts, whole
from tests.flows.node import Node
from tests.scripted_model import asked, scripted_model

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]  # three nodes start first


@dataclass
class Running:
    nodes: Sequence[Node]
    valkey: Valkey
    collector: Collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def three(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    async with scripted_model(otherwise=asked()) as model, collector() as collected:
        settings = {
            "LIFEBUDDY_MONGO_DATABASE": "fleet",
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "scripted",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "LIFEBUDDY_TRACE_SHARE": "1",
        }
        async with fleet(tmp_path_factory.mktemp("fleet"), mongo, valkey_session.url, 3, **settings) as nodes:
            yield Running(nodes, valkey_session, collected)


async def test_devices_at_three_nodes_see_one_conversation(three: Running) -> None:
    one, two, third = three.nodes
    async with AsyncExitStack() as stack:
        ann = await stack.enter_async_context(signed_up(one.url))
        tablet, watch = device(ann, two), device(ann, third)
        for other in (tablet, watch):
            await other.connect()
            stack.push_async_callback(other.disconnect)
        assert await placed(three.valkey, ann.tokens["user_id"]) == ann.ready["node"]
        assert len({app.ready["node"] for app in (ann, tablet, watch)}) == 3
        asked = [await app.surely("chat.send", {"text": f"from {n}"}) for n, app in enumerate((ann, tablet, watch))]
        last = asked[-1]["reply_id"]
        for app in (ann, tablet, watch):
            await app.replied(last)
            assert [text for text in texts(app) if text.startswith("from")] == ["from 0", "from 1", "from 2"]
            assert whole(app)
            assert any(signal["type"] == "reply.delta" for signal in app.signals)
        for node in three.nodes:
            assert "Traceback" not in node.output


async def test_a_command_is_one_trace_from_the_socket_through_the_mesh_to_the_log_and_the_model(three: Running) -> None:
    """Over two nodes; and nothing of it says what was said, or by whom but their id."""
    here, there, _ = three.nodes
    collected = three.collector
    async with signed_up(here.url) as ann:
        far = device(ann, there)
        await far.connect()
        sent = await far.surely("chat.send", {"text": "error: my secret"})
        await far.replied(sent["reply_id"])
        mine = {"user.id": ann.tokens["user_id"]}
        root = await collected.until(lambda span: span.name == "chat.send" and span.told == mine)
        assert root.node == far.ready["node"]
        asked = await collected.until(lambda span: span.parent == root.id)
        assert (asked.name, asked.node, asked.told["node"]) == ("mesh.ask", root.node, ann.ready["node"])
        decided = await collected.until(lambda span: span.parent == asked.id)
        assert (decided.name, decided.node) == ("SendMessage", ann.ready["node"])
        logged = await collected.until(lambda span: span.parent == decided.id and span.name.startswith("event_log"))
        await collected.until(lambda span: span.parent == logged.id and span.name == "flush")
        await collected.until(lambda span: span.name == "chat_messages" and span.trace == root.trace)
        await collected.until(lambda span: span.name == "heads" and span.trace == root.trace)
        model = await collected.until(lambda span: span.name.startswith("model ") and span.trace == root.trace)
        assert model.problem == "model.error"
        finished = await collected.until(lambda span: span.name == "FinishReply" and span.trace == root.trace)
        assert "SendMessage" in collected.parents(finished)
        told = {str(text) for span in collected.spans for text in (span.name, *span.told.values())}
        assert not [text for text in told if "secret" in text or "@" in text or "Ann" in text]
        lines = [json.loads(line) for line in here.output.splitlines() if '"model.failed"' in line]
        assert {line["trace_id"] for line in lines} == {root.trace}
        await far.disconnect()


async def test_a_request_over_rest_is_one_trace(three: Running) -> None:
    here, *_ = three.nodes
    async with signed_up(here.url) as ann:
        status, _ = await ann.rest("POST", "/v1/goals", {"title": "Run"})
        assert status == 201
        root = await three.collector.until(lambda span: span.name == "POST /v1/goals")
        assert root.told == {"http.response.status_code": 201}
        decided = await three.collector.until(lambda span: span.parent == root.id)
        assert (decided.name, decided.node) == ("CreateGoal", ann.ready["node"])
    assert not [span for span in three.collector.spans if "readyz" in span.name]


async def test_refusals_and_repeats_are_the_same_from_another_node(three: Running) -> None:
    one, two, _ = three.nodes
    async with signed_up(one.url) as ann:
        far = device(ann, two)
        await far.connect()
        try:
            body = {"cid": "0d4dbf0c-53a4-4a3c-8d5c-6e6c2a3a6b11", "title": "Run"}
            first = await ann.command("goal.create", body)
            assert first["ok"]
            assert await far.command("goal.create", body) == first
            conflict = await far.command("goal.create", {**body, "title": "Walk"})
            assert conflict["error"]["code"] == "conflict.cid"
            assert conflict["error"]["effect"] == "none"
            missing = await far.command("goal.complete", {"cid": body["cid"][:-1] + "2", "goal_id": body["cid"]})
            assert missing["error"]["code"] == "not_found"
            status, page = await far.rest("GET", "/v1/goals")
            assert status == 200
            assert [goal["title"] for goal in page["items"]] == ["Run"]
            events = await far.whole_log()
            assert events == await ann.whole_log()
        finally:
            await far.disconnect()


async def test_a_device_that_connects_at_another_node_replaces_its_older_connection(three: Running) -> None:
    one, two, third = three.nodes
    async with signed_up(one.url) as phone:
        tablet = device(phone, two)
        await tablet.connect()
        again = App(third.url, email=phone.email, tokens=phone.tokens, device=tablet.device)
        await again.connect()
        await tablet.until_closing("replaced")
        assert tablet.closings == [{"code": "replaced", "reconnect": False, "delay_ms": 0}]
        made = await again.surely("goal.create", {"title": "Run"})
        for app in (phone, again):
            await app.until(lambda event: event["seq"] == made["seq"], within=5.0)
        assert phone.closings == again.closings == []
        assert max(event["seq"] for event in [*tablet.events, {"seq": 0}]) < made["seq"]
        for app in (tablet, again):
            await app.disconnect()


async def test_a_draining_node_refuses_nobody(three: Running) -> None:
    """While a reply holds it up, who is connected there is served: by a session that still works, or by another node's."""
    _, two, third = three.nodes
    async with signed_up(third.url) as busy, signed_up(third.url) as ann:
        tablet = device(ann, two)
        await tablet.connect()
        sent = await busy.surely("chat.send", {"text": "slow: " + "a word " * 15})
        stopping = asyncio.create_task(third.stop(30.0), name="stop")
        await asyncio.sleep(0.5)
        made = [await app.command("goal.create", {"cid": str(uuid.uuid4()), "title": "Run"}) for app in (busy, ann)]
        assert all(ack["ok"] for ack in made), made
        assert not stopping.done()
        assert (await placed(three.valkey, busy.tokens["user_id"])) == node_of(busy)
        assert (await placed(three.valkey, ann.tokens["user_id"])) != node_of(ann)
        for app in (tablet, ann):
            await app.until(lambda event: event["type"] == "goal.created", within=5.0)
        assert await stopping, "it had to be killed"
        assert ann.closings[-1]["code"] == "draining"
        busy.url = two.url
        assert (await busy.replied(sent["reply_id"]))["state"] == "complete"
        assert "drain.overstayed" not in third.output
        await tablet.disconnect()


def node_of(app: App) -> str:
    return str(app.ready["node"])
