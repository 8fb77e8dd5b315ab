"""Nodes die or freeze, Redis restarts, forgets, or drops its subscribers: what was acknowledged is there once, on every device."""

import asyncio
import os
import shutil
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.conftest import StartValkey
from tests.flows.app import App, signed_up
from tests.flows.fleet import TTL, device, fleet, placed, whole
from tests.flows.node import Node
from tests.scripted_model import echo, scripted_model

GONE = float(os.environ.get("REDIS_GONE_SECONDS", "4"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]  # nodes start, and leases run out


@dataclass
class Company:
    """Ann's session and phone at the first node, her tablet at the second."""

    nodes: Sequence[Node]
    valkey: Valkey
    phone: App
    tablet: App

    async def says(self, app: App, text: str) -> None:
        """Acknowledged, answered, and seen on the other device as well."""
        ack = await app.surely("chat.send", {"text": text}, within=30)
        for one in (self.phone, self.tablet):
            await one.replied(ack["reply_id"], within=30)


async def cut_off(company: Company) -> None:
    async with Redis.from_url(company.valkey.url) as redis:
        assert await redis.client_kill_filter(_type="pubsub") == 2


async def redis_restarted(company: Company) -> None:
    company.valkey.kill()
    await asyncio.sleep(1.0)
    await company.valkey.start_again()


async def redis_forgets(company: Company) -> None:
    company.valkey.kill()
    shutil.rmtree(company.valkey.directory / "appendonlydir")
    await company.valkey.start_again()


@asynccontextmanager
async def company(mongo: ReplicaSet, valkey: Valkey, directory: Path, database: str) -> AsyncIterator[Company]:
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model(otherwise=echo()))
        settings = {
            "LIFEBUDDY_MONGO_DATABASE": database,
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "scripted",
        }
        nodes = await stack.enter_async_context(fleet(directory, mongo, valkey.url, 2, **settings))
        phone = await stack.enter_async_context(signed_up(nodes[0].url))
        tablet = device(phone, nodes[1])
        await tablet.connect()
        stack.push_async_callback(tablet.disconnect)
        yield Company(nodes, valkey, phone, tablet)


async def test_redis_may_fail(mongo: ReplicaSet, start_valkey: StartValkey, tmp_path: Path, database: str) -> None:
    async with company(mongo, await start_valkey(), tmp_path, database) as running:
        await running.says(running.tablet, "before")
        for hurt in (cut_off, redis_restarted, redis_forgets):
            await hurt(running)
            for number in range(3):
                await running.says(running.tablet, f"{hurt.__name__}, tablet {number}")
                await running.says(running.phone, f"{hurt.__name__}, phone {number}")
        await _is_well(running)


async def test_redis_may_be_gone_for_long(
    mongo: ReplicaSet, start_valkey: StartValkey, tmp_path: Path, database: str
) -> None:
    """Whose session and device share a node notice nothing; others are refused until it is back, and lose nothing."""
    async with company(mongo, await start_valkey(), tmp_path, database) as running:
        await running.says(running.tablet, "before")
        running.valkey.kill()
        ends, waits, refusals = time.monotonic() + GONE, list[float](), list[str]()
        while time.monotonic() < ends:
            began = time.monotonic()
            ack = await running.phone.command("chat.send", text := {"cid": str(uuid.uuid4()), "text": f"near {began}"})
            waits.append(time.monotonic() - began)
            assert ack["ok"], ack
            running.phone.acks[text["cid"]] = ack
            await running.phone.replied(ack["reply_id"], within=5)
            far = await running.tablet.command("chat.send", {"cid": str(uuid.uuid4()), "text": f"far {began}"})
            if time.monotonic() > ends - GONE + TTL:  # what was on its way as Redis went is asked again
                assert far["error"]["code"] in {"unavailable", "timeout"}
                refusals.append(far["error"]["code"])
                assert far["error"]["code"] == "timeout" or far["error"]["retry_after_ms"] > 0
        await running.valkey.start_again()
        print(f"Redis gone for {GONE:g} s: {len(waits)} near, slowest {max(waits):.2f} s; far: {Counter(refusals)}")
        assert max(waits) < 2
        assert refusals
        await running.says(running.tablet, "it is back")
        await running.says(running.phone, "so it is")
        await _is_well(running)


async def test_a_killed_nodes_session_goes_on_at_another(
    mongo: ReplicaSet, start_valkey: StartValkey, tmp_path: Path, database: str
) -> None:
    async with company(mongo, await start_valkey(), tmp_path, database) as running:
        await running.says(running.tablet, "before")
        user = running.phone.tokens["user_id"]
        assert await placed(running.valkey, user) == running.phone.ready["node"]
        running.nodes[0].kill()
        began = time.monotonic()
        ack = await running.tablet.surely("chat.send", {"text": "after"}, within=30)
        took = time.monotonic() - began
        print(f"served again after {took:.2f} s, lease {TTL} s")
        assert took < TTL + 2
        await running.tablet.replied(ack["reply_id"])
        assert await placed(running.valkey, user) == running.tablet.ready["node"]
        running.phone.url = running.tablet.url
        await running.says(running.phone, "the phone has moved")
        await _is_well(running)


async def test_a_frozen_owner_is_fenced_and_follows(
    mongo: ReplicaSet, start_valkey: StartValkey, tmp_path: Path, database: str
) -> None:
    """Past its lease the other node takes over; awake again, the first serves its own clients from there."""
    async with company(mongo, await start_valkey(), tmp_path, database) as running:
        await running.says(running.tablet, "before")
        running.nodes[0].freeze()
        ack = await running.tablet.surely("chat.send", {"text": "while it is frozen"}, within=30)
        await running.tablet.replied(ack["reply_id"])
        running.nodes[0].thaw()
        assert await placed(running.valkey, running.phone.tokens["user_id"]) == running.tablet.ready["node"]
        await running.phone.replied(ack["reply_id"], within=15)
        for number in range(3):
            await running.says(running.phone, f"phone {number}")
            await running.says(running.tablet, f"tablet {number}")
        await _is_well(running)


async def _is_well(running: Company) -> None:
    """One log, gapless; each device has seen it in order; every acknowledged command is in it once, where it was said."""
    log = await running.tablet.whole_log()
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert whole(running.phone)
    assert whole(running.tablet)
    placed_at = {event["data"]["id"]: event["seq"] for event in log if event["type"] == "message.added"}
    for app in (running.phone, running.tablet):
        assert all(placed_at[ack["message_id"]] == ack["seq"] for ack in app.acks.values())
    said = [event["data"]["text"] for event in log if event["data"].get("role") == "user"]
    assert len(said) == len(set(said)) == len(running.phone.acks) + len(running.tablet.acks)
    for node in running.nodes:
        assert "Traceback" not in node.output
        assert '"actor.crashed"' not in node.output
