"""What people cost the stores: `python -m scripts.footprint [--people N]` counts bytes and operations for each thing they do.

A node, a MongoDB and a Valkey of its own. Bytes and counts depend on no clock, so a busy machine says the same.
"""

import asyncio
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import typer
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from config.settings import variable
from scripts.embedded.mongo import mongod
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import valkey_server
from scripts.rolling import READY_WITHIN, Nodes, Person

DATABASE: Final = "footprint"
SETTLE: Final = 2.0
"""Seconds in which what follows an acknowledgement is still counted."""
IDLE: Final = 30.0
MESSAGES, GOALS, TOGETHER = 20, 10, 10
TEXT: Final = "I ran four kilometres this morning, and it felt easier than last week."
"""70 characters."""


class Meter:
    """Counters of both stores, and the node's memory, now."""

    def __init__(self, mongo: AsyncMongoClient[dict[str, Any]], redis: Redis, node: int) -> None:
        self._mongo = mongo
        self._redis = redis
        self._node = node

    async def read(self) -> dict[str, float]:
        status = await self._mongo.admin.command("serverStatus")
        sizes = await self._mongo[DATABASE].command("dbStats")
        memory = await self._redis.info("memory")
        calls = await self._redis.info("commandstats")
        own = ("cmdstat_info", "cmdstat_hello", "cmdstat_client")
        return {
            "MongoDB writes": status["opcounters"]["insert"] + status["opcounters"]["update"],
            "MongoDB reads": status["opcounters"]["query"],
            "MongoDB bytes of documents": sizes["dataSize"],
            "Redis calls": sum(one["calls"] for name, one in calls.items() if not name.startswith(own)),
            "Redis bytes": memory["used_memory"],
            "node kB in memory": await asyncio.to_thread(self._resident),
        }

    def _resident(self) -> int:
        lines = Path(f"/proc/{self._node}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    async def cost(self, work: Callable[[], Awaitable[object]], times: int) -> dict[str, float]:
        """Of each time, what follows included."""
        before = await self.read()
        await work()
        await asyncio.sleep(SETTLE)
        after = await self.read()
        return {name: round((after[name] - before[name]) / times, 2) for name in before}


async def measured(people: int) -> dict[str, dict[str, float]]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="footprint-")))
        mongo = await stack.enter_async_context(mongod(directory / "mongo", throwaway=True))
        valkey = await stack.enter_async_context(valkey_server(directory / "valkey", throwaway=True))
        (directory / "node").mkdir()
        told = {"mongo_url": mongo.url, "redis_url": valkey.url, "mongo_database": DATABASE}
        variables = {variable(name): value for name, value in told.items()} | {variable("shed_lag_seconds"): "5"}
        server = Nodes(directory / "node", stack.enter_context(held_port()), 1, variables)
        server.start()
        stack.push_async_callback(server.stop, 40.0)
        await server.said("ready http", 1, READY_WITHIN)
        client = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](mongo.admin_url))
        redis = await stack.enter_async_context(Redis.from_url(valkey.url))
        return await _scenes(Meter(client, redis, server.pid), [Person(server.url) for _ in range(people)])


async def _scenes(meter: Meter, crowd: list[Person]) -> dict[str, dict[str, float]]:
    async with aiohttp.ClientSession() as http:

        async def come() -> None:
            for start in range(0, len(crowd), TOGETHER):  # passwords are hashed a few at a time
                await asyncio.gather(*(person.come(http) for person in crowd[start : start + TOGETHER]))

        async def each(name: str, body: dict[str, Any], times: int) -> None:
            for _ in range(times):
                await asyncio.gather(*(one.surely(name, {"cid": str(uuid.uuid4()), **body}) for one in crowd))

        count = len(crowd)
        found = {
            "register and connect": await meter.cost(come, count),
            "a message, and the coach's reply": await meter.cost(
                lambda: each("chat.send", {"text": TEXT}, MESSAGES), count * MESSAGES
            ),
            "a goal": await meter.cost(lambda: each("goal.create", {"title": TEXT}, GOALS), count * GOALS),
            f"{IDLE:.0f} s connected, idle": await meter.cost(lambda: asyncio.sleep(IDLE), count),
        }
        await asyncio.gather(*(person.io.disconnect() for person in crowd))
        return found


def main(people: Annotated[int, typer.Option(help="Users with one connected device each.")] = 100) -> None:
    """Prints, for each thing, what one of it costs."""
    for scene, costs in asyncio.run(measured(people)).items():
        print(scene)
        for name, cost in costs.items():
            print(f"    {cost:10.2f}  {name}")


if __name__ == "__main__":
    typer.run(main)
