"""`server.py --nodes N`: one port, several processes, each of which may end at any time."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import Valkey
from scripts.rolling import BACK_WITHIN, Nodes, roll
from tests.flows.browser import JS
from tests.flows.stock import share_one_conversation
from tests.scripted_model import asked, scripted_model
from transport.sockets.neighbours import PASSED_BY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]  # processes start, seven of them

STARTED = '"supervisor.node_started"'


def started(server: Nodes) -> list[dict[str, Any]]:
    """The nodes that were started, in order."""
    assert server.log is not None
    return [json.loads(line) for line in server.log.read_text().splitlines() if STARTED in line]


async def living(valkey: Valkey) -> set[str]:
    async with Redis.from_url(valkey.url) as redis:
        return {key.decode().removeprefix("node:") async for key in redis.scan_iter("node:*")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Nodes]:
    """Three nodes, for all tests of this module; the last of them ends it."""
    directory = tmp_path_factory.mktemp("nodes")
    variables = {
        "LIFEBUDDY_MONGO_URL": mongo.url,
        "LIFEBUDDY_REDIS_URL": valkey_session.url,
        "LIFEBUDDY_MONGO_DATABASE": f"flow_{uuid.uuid4().hex[:12]}",
        "LIFEBUDDY_MEMBERSHIP_TTL_SECONDS": "60",
        "LIFEBUDDY_SHED_LAG_SECONDS": "5",
        "OPENAI_API_KEY": "scripted",
    }
    async with scripted_model(otherwise=asked()) as model:
        with held_port() as port:
            running = Nodes(directory, port, 3, variables | {"OPENAI_BASE_URL": model.url})
            running.start()
            try:
                await running.said("ready http", 1, 60.0)
                yield running
            finally:
                await running.stop(20.0)


async def supervisor_told(server: Nodes) -> list[str]:
    """What it says to Prometheus, once all of its processes are ready."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{server.url}/metrics?slot=0") as response:
                lines = (await response.text()).splitlines()
            if "supervisor_serving 3.0" in lines:
                return lines
            await asyncio.sleep(0.1)


@pytest.mark.skipif(not (JS / "node_modules").exists(), reason="scripts/test installs the JavaScript clients")
async def test_stock_devices_of_one_user_on_different_nodes_see_the_same_live(server: Nodes) -> None:
    apart = 0
    async with asyncio.timeout(90):
        while apart < 2:
            apart += await share_one_conversation(server.url)


async def test_each_process_is_read_by_its_slot_whichever_is_asked(server: Nodes) -> None:
    async with aiohttp.ClientSession(headers={"Connection": "close"}) as http:

        async def began(slot: int) -> list[str]:
            async with http.get(f"{server.url}/metrics?slot={slot}") as response:
                lines = (await response.text()).splitlines()
                return [line for line in lines if line.startswith("process_start_time_seconds ")]

        first = [await began(slot) for slot in (1, 2, 3)]
        assert len({one for (one,) in first}) == 3
        for _ in range(4):
            assert [await began(slot) for slot in (1, 2, 3)] == first
        for wrong, headers, status in (("4", {}, 404), ("no", {}, 400), ("1", {PASSED_BY: "forged"}, 403)):
            async with http.get(f"{server.url}/metrics?slot={wrong}", headers=headers) as response:
                assert response.status == status


async def test_a_killed_node_is_out_of_the_fleet_at_once_and_a_rolling_restart_loses_nothing(
    server: Nodes, valkey_session: Valkey
) -> None:
    first, *others = started(server)
    assert {first["node"], *(other["node"] for other in others)} <= await living(valkey_session)
    os.kill(first["pid"], signal.SIGKILL)
    await server.said(STARTED, 4, 20.0)
    assert started(server)[3]["slot"] == first["slot"]
    assert first["node"] not in await living(valkey_session)
    told = await supervisor_told(server)
    slot = first["slot"]
    assert f'supervisor_ended_total{{slot="{slot}"}} 1.0' in told
    assert 'log_errors_total{event="supervisor.node_ended"} 1.0' in told
    outcome = await roll(server, people=5, rounds=1)
    renewed = {line["node"] for line in started(server)[4:]}
    assert renewed <= await living(valkey_session)
    assert await server.stop(20.0)
    assert not {line["node"] for line in started(server)} & await living(valkey_session)
    assert outcome.problems == []
    assert outcome.acknowledged > 5
    assert len(outcome.away) >= 5
    assert outcome.quantile(0.5) <= BACK_WITHIN
    assert server.log is not None
    assert "Traceback" not in server.log.read_text()
    assert "drain.overstayed" not in server.log.read_text()
