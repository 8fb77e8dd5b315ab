"""One running node for the flow tests that don't break it."""

from collections.abc import AsyncIterator
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


@pytest_asyncio.fixture
async def running(mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with (
        scripted_model(otherwise=asked()) as model,
        node(
            tmp_path / "node",
            mongo.url,
            valkey.url,
            LIFEBUDDY_MONGO_DATABASE=database,
            OPENAI_BASE_URL=model.url,
            OPENAI_API_KEY="scripted",
        ) as server,
    ):
        yield Running(server, model, mongo, valkey, database)
