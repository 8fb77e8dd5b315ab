"""`server.py --nodes N`: one port, several processes, each of which may end at any time."""

import asyncio
import json
import os
import signal
from typing import Any

import pytest
from redis.asyncio import Redis

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.node import Node, nodes


def lines(server: Node, event: str) -> list[dict[str, Any]]:
    """What was logged of that name."""
    logged = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    return [line for line in logged if line["event"] == event]


async def until(server: Node, event: str, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        while len(found := lines(server, event)) < count:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
    return found


async def living(valkey: Valkey) -> set[str]:
    async with Redis.from_url(valkey.url) as redis:
        return {key.decode().removeprefix("node:") async for key in redis.scan_iter("node:*")}


@pytest.mark.timeout(90)  # six starts of a process
async def test_a_killed_node_is_out_of_the_fleet_at_once_and_replaced_and_each_can_be_renewed(
    mongo: ReplicaSet, database: str, valkey: Valkey, tmp_path: Any
) -> None:
    long_lease = {"LIFEBUDDY_MEMBERSHIP_TTL_SECONDS": "60", "LIFEBUDDY_MONGO_DATABASE": database}
    async with nodes(2, tmp_path, mongo.url, valkey.url, **long_lease) as server:
        first, second = lines(server, "supervisor.node_started")
        assert await living(valkey) == {first["node"], second["node"]}
        os.kill(first["pid"], signal.SIGKILL)
        third = (await until(server, "supervisor.node_started", 3))[2]
        assert third["slot"] == first["slot"]
        assert first["node"] not in await living(valkey)
        os.kill(server.pid, signal.SIGHUP)
        await until(server, "supervisor.rolled", 1)
        now = {line["node"] for line in lines(server, "supervisor.node_started")[3:]}
        assert len(now) == 2
        assert await living(valkey) == now
        assert await server.stop(20.0)
    assert await living(valkey) == set()
