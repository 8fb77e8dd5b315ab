"""The clients of Redis, and which kind of Redis a URL means."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from actors.runtime.outside import Report
from actors.runtime.owned import owned
from storage.redis.shards import TIME_LIMIT, Address, Shards

CLUSTER: Final = "+cluster"
"""What the scheme of a cluster's URL ends with; its hosts are separated by commas."""
PORT: Final = 6379


class OtherMode(ConnectionError):  # noqa: N818 - as builtins' own: it is an OSError to whoever only wants to go on
    """The server there is a cluster's and the URL is not, or the other way round."""


@asynccontextmanager
async def connected(url: str, report: Report, *, time_limit: float = TIME_LIMIT) -> AsyncIterator[Shards]:
    """Clients that were answered once. Answers are bytes. Raises redis-py's errors when there is none at first, OtherMode.

    A connection that broke since its last use is replaced once per call; whoever needs more patience has a loop.
    """
    parts = urlsplit(url)
    async with AsyncExitStack() as stack:
        if parts.scheme.endswith(CLUSTER):
            shards = Shards(lambda address: _client(_one(parts, address), time_limit), _seeds(parts))
            stack.push_async_callback(shards.aclose)
            await _look(shards)
            await stack.enter_async_context(owned(shards.run(), "redis.slots", report))
        else:
            shards = Shards.alone(_client(url, time_limit))
            stack.push_async_callback(shards.aclose)
            await _check(shards)
        yield shards


async def _look(shards: Shards) -> None:
    try:
        await shards.refresh()
    except ResponseError as problem:
        if "cluster support disabled" not in str(problem):
            raise
        raise OtherMode("the Redis there is no cluster: its URL begins with redis:// or rediss://") from None


async def _check(shards: Shards) -> None:
    (only,) = shards.all
    info = await only.info("server")
    if "cluster" in {info.get("redis_mode"), info.get("server_mode")}:  # Redis' word and Valkey's
        raise OtherMode("the Redis there is a cluster: its URL begins with redis+cluster:// or rediss+cluster://")


def _client(url: str, time_limit: float) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=time_limit,
        socket_connect_timeout=time_limit,
        retry=Retry(NoBackoff(), 1),
        client_name="lifebuddy",
    )


def _seeds(parts: SplitResult) -> list[Address]:
    _, _, hosts = parts.netloc.rpartition("@")
    found = [urlsplit(f"//{host}") for host in hosts.split(",")]
    return [(one.hostname or "127.0.0.1", one.port or PORT) for one in found]


def _one(parts: SplitResult, address: Address) -> str:
    """The URL of one server of the cluster."""
    who, at, _ = parts.netloc.rpartition("@")
    host, port = address
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return parts._replace(scheme=parts.scheme.removesuffix(CLUSTER), netloc=who + at + place, path="").geturl()
