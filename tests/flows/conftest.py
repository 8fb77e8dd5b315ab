"""One running node for the flow tests that don't break it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.flows.node import Node, node
from tests.scripted_model import ScriptedModel, asked, scripted_model


@dataclass
class Running:
    """A node, and the scripted model behind it, which does what each message says."""

    node: Node
    model: ScriptedModel
    mongo: ReplicaSet
    valkey: Valkey
    database: str


@asynccontextmanager
async def _running(
    mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path, **more: str
) -> AsyncIterator[Running]:
    async with scripted_model(otherwise=asked()) as model:
        settings = {
            "LIFEBUDDY_MONGO_DATABASE": database,
            "OPENAI_BASE_URL": model.url,
            "OPENAI_API_KEY": "scripted",
        }
        async with node(tmp_path / "node", mongo.url, valkey.url, **settings, **more) as server:
            yield Running(server, model, mongo, valkey, database)


@pytest_asyncio.fixture
async def running(mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with _running(mongo, valkey, database, tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def running_impatient(mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path) -> AsyncIterator[Running]:
    """A node that waits seconds for its model, not minutes."""
    impatient = {
        "LIFEBUDDY_MODEL_FIRST_TOKEN_SECONDS": "1.5",
        "LIFEBUDDY_MODEL_BETWEEN_TOKENS_SECONDS": "1.5",
        "LIFEBUDDY_MODEL_WHOLE_SECONDS": "10",
    }
    async with _running(mongo, valkey, database, tmp_path, **impatient) as running:
        yield running
