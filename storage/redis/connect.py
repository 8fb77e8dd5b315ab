"""One client of Redis, and what it means here that Redis cannot be reached."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

TIME_LIMIT = 2.0  # seconds for one answer; redis-py's own default is 5, so nothing may block longer on the server

UNREACHABLE = (RedisError, OSError, TimeoutError)
"""What any call may raise when Redis is away, frozen, loading, failing over or full."""


@asynccontextmanager
async def connected(url: str, *, time_limit: float = TIME_LIMIT) -> AsyncIterator[Redis]:
    """A client that was answered once. Answers are bytes. Raises redis-py's errors when there is none at first.

    A connection that broke since its last use is replaced once per call; whoever needs more patience has a loop.
    """
    client = Redis.from_url(
        url,
        socket_timeout=time_limit,
        socket_connect_timeout=time_limit,
        retry=Retry(NoBackoff(), 1),
        client_name="lifebuddy",
    )
    async with client:
        await client.ping()
        yield client
