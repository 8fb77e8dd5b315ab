"""Several nodes of one installation as processes, and what a test does to them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.app import App
from tests.flows.node import Node, node

TTL = 2.0
"""Seconds a node's lease holds."""


@asynccontextmanager
async def fleet(
    directory: Path, mongo: ReplicaSet, redis_url: str, count: int, **settings: str
) -> AsyncIterator[Sequence[Node]]:
    """So many ready nodes with the same keys."""
    shared = {"LIFEBUDDY_MASTER_KEY": "ab" * 32, "LIFEBUDDY_SIGNING_KEYS": str(directory / "keys")}
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(directory / "0", mongo.url, redis_url, **shared, **settings))
        others = await asyncio.gather(
            *(
                stack.enter_async_context(node(directory / str(number), mongo.url, redis_url, **shared, **settings))
                for number in range(1, count)
            )
        )
        yield [first, *others]


def device(app: App, at: Node) -> App:
    """Another device of the same user, at that node; not connected yet."""
    return App(at.url, email=app.email, tokens=app.tokens)


async def placed(valkey: Valkey, user_id: str) -> str:
    """The node that has the user's session, by its id."""
    async with Redis.from_url(valkey.url) as redis:
        held: Any = await redis.get(f"place:session:{user_id}")
        return held.decode() if held is not None else ""


def texts(app: App) -> list[str]:
    return [event["data"]["text"] for event in app.events if event["type"] == "message.added"]


def whole(app: App) -> bool:
    """Every event once, in order, from the first one the device could see."""
    seqs = [event["seq"] for event in app.events]
    return seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True
