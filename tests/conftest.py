"""Real servers for tests: one mongod and one Valkey per session, private ones for tests that break them."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from scripts.embedded.mongo import ReplicaSet, mongod, mongod_replica_set
from scripts.embedded.valkey import Valkey, valkey_server
from tests.valkey_cluster import Cluster, StartCluster, valkey_cluster

StartMongo = Callable[[], Awaitable[ReplicaSet]]
StartValkey = Callable[[], Awaitable[Valkey]]
StartReplicaSet = Callable[..., Awaitable[ReplicaSet]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of tests that take long come first: at the end the workers would wait for one of them."""
    slow = {item.path for item in items if {"slow", "timeout"} & {mark.name for mark in item.iter_markers()}}
    items.sort(key=lambda item: item.path not in slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nodes", type=int, default=1, help="behind the port of each server that flow tests run against")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mongo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplicaSet]:
    """The session's MongoDB: `.url`, `.admin_url`. Never kill it; take a database name from `database`."""
    async with mongod(tmp_path_factory.mktemp("mongo"), throwaway=True) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey_session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Valkey]:
    async with valkey_server(tmp_path_factory.mktemp("valkey"), throwaway=True) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster_session(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """The session's Redis Cluster of three shards: `.url`. Never kill it."""
    async with valkey_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def valkey(valkey_session: Valkey) -> Valkey:
    """The session's Valkey, emptied for this test: `.url`. Never kill it."""
    async with Redis.from_url(valkey_session.url) as client:
        await client.flushall()
    return valkey_session


@pytest_asyncio.fixture
async def database(mongo: ReplicaSet) -> AsyncIterator[str]:
    """The name of an empty database that is dropped after the test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    async with AsyncMongoClient[dict[str, object]](mongo.admin_url) as client:
        await client.drop_database(name)


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What a test enters here ends after it, in the opposite order."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def start_mongo(stack: AsyncExitStack, tmp_path: Path) -> StartMongo:
    """`await start_mongo()`: a single-node set of the test's own; `.members[0].kill()` and `await ….start_again()`."""

    async def start() -> ReplicaSet:
        return await stack.enter_async_context(mongod(tmp_path / f"mongo-{uuid.uuid4().hex[:6]}", throwaway=True))

    return start


@pytest.fixture
def start_valkey(stack: AsyncExitStack, tmp_path: Path) -> StartValkey:
    """`await start_valkey()`: a Valkey of the test's own; `.kill()`, `await .start_again()`, `.freeze()`, `.thaw()`."""

    async def start() -> Valkey:
        return await stack.enter_async_context(
            valkey_server(tmp_path / f"valkey-{uuid.uuid4().hex[:6]}", throwaway=True),
        )

    return start


@pytest.fixture
def start_cluster(stack: AsyncExitStack, tmp_path: Path) -> StartCluster:
    """`await start_cluster(replicas=0)`: a Redis Cluster of the test's own (about 3 s)."""

    async def start(replicas: int = 0) -> Cluster:
        directory = tmp_path / f"cluster-{uuid.uuid4().hex[:6]}"
        return await stack.enter_async_context(valkey_cluster(directory, replicas=replicas))

    return start


@pytest.fixture
def start_replica_set(stack: AsyncExitStack, tmp_path: Path) -> StartReplicaSet:
    """`await start_replica_set(n=3)`: mongods of the test's own, with elections and fail points (about 4 s)."""

    async def start(n: int = 3, *, election_ms: int = 1000) -> ReplicaSet:
        directory = tmp_path / f"set-{uuid.uuid4().hex[:6]}"
        return await stack.enter_async_context(mongod_replica_set(directory, n, election_ms=election_ms))

    return start
