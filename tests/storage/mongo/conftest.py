"""A prepared database, and the store's parts opened on it."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from actors.journal.outside import Document
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.connect import Database, connected
from storage.mongo.keys import MongoKeys
from storage.mongo.log import MongoLog
from storage.mongo.projections import MongoProjections
from storage.mongo.schema import prepare
from storage.sealing import Sealing

AT = datetime(2026, 3, 8, 2, 30, 0, 123000, tzinfo=UTC)
KEKS = {1: bytes(range(32))}

Reports = list[tuple[str, dict[str, Any]]]
MakeDocument = Callable[..., Document]
Fail = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def reports() -> Reports:
    """What the store told the operator."""
    return []


@pytest.fixture
def report(reports: Reports) -> Callable[[str, dict[str, Any]], None]:
    return lambda name, fields: reports.append((name, fields))


@pytest.fixture
async def db(mongo: ReplicaSet, database: str) -> AsyncIterator[Database]:
    async with connected(mongo.url, database=database) as opened:
        await prepare(opened)
        yield opened


@pytest.fixture
def sealing(db: Database) -> Sealing:
    return Sealing(MongoKeys(db), KEKS)


@pytest.fixture
async def log(
    stack: AsyncExitStack, db: Database, sealing: Sealing, report: Callable[[str, dict[str, Any]], None]
) -> MongoLog:
    return await stack.enter_async_context(MongoLog(db, sealing, report=report))


@pytest.fixture
async def projections(
    stack: AsyncExitStack, db: Database, sealing: Sealing, report: Callable[[str, dict[str, Any]], None]
) -> MongoProjections:
    return await stack.enter_async_context(MongoProjections(db, sealing, report=report))


@pytest.fixture
def document() -> MakeDocument:
    """`document(address, s, n=1, …)`: a document as the runtime hands it in."""
    number = itertools.count(1)

    def make(address: str, s: int, *, n: int = 1, body: bytes = b"body", cid: str = "", w: str = "") -> Document:
        one = next(number)
        return Document(address, s, n, "ann", cid or f"cid-{one}", b"digest", w or f"me/{one}", AT, body)

    return make


@pytest.fixture
def fail(mongo: ReplicaSet) -> Fail:
    """`async with fail(["insert"], closeConnection=True)`: the server itself fails these commands of ours."""

    @asynccontextmanager
    async def failing(commands: list[str], mode: object = "alwaysOn", **how: Any) -> AsyncIterator[None]:
        point: Mapping[str, Any] = {"failCommands": commands, "appName": "lifebuddy", **how}
        async with AsyncMongoClient[dict[str, Any]](mongo.admin_url) as admin:
            await admin.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": point})
            try:
                yield
            finally:
                await admin.admin.command({"configureFailPoint": "failCommand", "mode": "off"})

    return failing
