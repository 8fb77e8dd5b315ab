"""Nodes that place actors: each with its own clients, membership and placement, with short leases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from scripts.embedded.valkey import Valkey
from storage.redis.connect import connected
from storage.redis.membership import Membership, member
from storage.redis.placement import RedisPlacement, placement
from storage.redis.shards import Shards
from tests.valkey_cluster import Cluster

TTL, EVERY = 2.0, 0.5  # seconds


Server = Valkey | Cluster


@pytest.fixture(params=["valkey_session", "cluster_session"], ids=["one", "cluster"])
def server(request: pytest.FixtureRequest) -> Server:
    """The session's Redis of either kind."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest_asyncio.fixture
async def valkey(server: Server) -> Server:
    """The same, emptied for this test: `.url`. Never kill it."""
    async with connected(server.url, Reports()) as shards:
        await asyncio.gather(*(shard.flushall() for shard in shards.all))
    return server


class Node:
    def __init__(self, redis: Shards, membership: Membership, placed: RedisPlacement, reports: "Reports") -> None:
        self.redis = redis
        self.membership = membership
        self.placement = placed
        self.reports = reports


class Reports:
    """What was reported, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, event: str, fields: dict[str, Any]) -> None:
        self.said.append((event, fields))

    def fields(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.said if name == event]


@asynccontextmanager
async def node(url: str, *, ttl: float = TTL, every: float = EVERY, name: str | None = None) -> AsyncIterator[Node]:
    reports = Reports()
    async with (
        connected(url, reports, time_limit=0.5) as redis,
        member(redis, reports, ttl=ttl, every=every, node=name) as membership,
        placement(redis, membership, reports, time_limit=0.5) as placed,
    ):
        yield Node(redis, membership, placed, reports)


async def keys(shards: Shards, pattern: str = "*") -> list[Any]:
    """Of all shards."""
    found = await asyncio.gather(*(shard.keys(pattern) for shard in shards.all))
    return [key for some in found for key in some]
