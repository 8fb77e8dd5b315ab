"""Nodes that place actors: each with its own client, membership and placement, with short leases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from storage.redis.connect import connected
from storage.redis.membership import Membership, member
from storage.redis.placement import RedisPlacement, placement

TTL, EVERY = 2.0, 0.5  # seconds


class Node:
    def __init__(self, redis: Redis, membership: Membership, placed: RedisPlacement, reports: "Reports") -> None:
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
async def node(url: str, *, ttl: float = TTL, every: float = EVERY) -> AsyncIterator[Node]:
    reports = Reports()
    async with (
        connected(url, time_limit=0.5) as redis,
        member(redis, reports, ttl=ttl, every=every) as membership,
        placement(redis, membership, reports, time_limit=0.5) as placed,
    ):
        yield Node(redis, membership, placed, reports)
