"""`server.py --nodes N`: one port, several processes, each of which may end at any time."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import Valkey
from scripts.rolling import BACK_WITHIN, Nodes, roll

STARTED = '"supervisor.node_started"'


def started(server: Nodes) -> list[dict[str, Any]]:
    """The nodes that were started, in order."""
    assert server.log is not None
    return [json.loads(line) for line in server.log.read_text().splitlines() if STARTED in line]


async def living(valkey: Valkey) -> set[str]:
    async with Redis.from_url(valkey.url) as redis:
        return {key.decode().removeprefix("node:") async for key in redis.scan_iter("node:*")}


@pytest.mark.timeout(120)  # six starts of a process
async def test_a_killed_node_is_out_of_the_fleet_at_once_and_a_rolling_restart_loses_nothing(
    mongo: ReplicaSet, database: str, valkey: Valkey, tmp_path: Path
) -> None:
    variables = {
        "LIFEBUDDY_MONGO_URL": mongo.url,
        "LIFEBUDDY_REDIS_URL": valkey.url,
        "LIFEBUDDY_MONGO_DATABASE": database,
        "LIFEBUDDY_MEMBERSHIP_TTL_SECONDS": "60",
        "LIFEBUDDY_SHED_LAG_SECONDS": "5",
    }
    with held_port() as port:
        server = Nodes(tmp_path, port, 2, variables)
        server.start()
        try:
            await server.said("ready http", 1, 30.0)
            first, second = started(server)
            assert await living(valkey) == {first["node"], second["node"]}
            os.kill(first["pid"], signal.SIGKILL)
            await server.said(STARTED, 3, 20.0)
            assert started(server)[2]["slot"] == first["slot"]
            assert first["node"] not in await living(valkey)
            outcome = await roll(server, people=5, rounds=1)
            assert await living(valkey) == {line["node"] for line in started(server)[3:]}
        finally:
            await server.stop(20.0)
    assert outcome.problems == []
    assert outcome.acknowledged > 5
    assert len(outcome.away) >= 5
    assert outcome.quantile(0.5) <= BACK_WITHIN
    assert await living(valkey) == set()
    assert "Traceback" not in (tmp_path / "nodes.log").read_text()
    assert "drain.overstayed" not in (tmp_path / "nodes.log").read_text()
