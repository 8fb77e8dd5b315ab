"""Running nodes for the flow tests: one for all tests of a module, each with users of its own."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
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
    directory: Path


@asynccontextmanager
async def _running(
    mongo: ReplicaSet, valkey: Valkey, directory: Path, count: int = 1, /, **more: str
) -> AsyncIterator[Running]:
    database = f"flow_{uuid.uuid4().hex[:12]}"
    async with scripted_model(otherwise=asked()) as model:
        settings = {"LIFEBUDDY_MONGO_DATABASE": database, "OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "scripted"}
        for who in ("TRANSCRIBER", "SPEAKER"):  # calls may be offered; nobody gets as far as to speak in one
            settings |= {f"LIFEBUDDY_{who}_BASE_URL": model.url, f"LIFEBUDDY_{who}_API_KEY": "scripted"}
        async with node(directory, mongo.url, valkey.url, count, **settings, **more) as server:
            yield Running(server, model, mongo, valkey, database, directory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> AsyncIterator[Running]:
    """A node without limits to speak of, or as many as asked for, that waits seconds for its model, not minutes."""
    impatient = {
        "LIFEBUDDY_MODEL_FIRST_TOKEN_SECONDS": "2",
        "LIFEBUDDY_MODEL_BETWEEN_TOKENS_SECONDS": "2",
        "LIFEBUDDY_MODEL_WHOLE_SECONDS": "20",
    }
    directory, count = tmp_path_factory.mktemp("node"), pytestconfig.getoption("nodes")
    async with _running(mongo, valkey_session, directory, count, **impatient) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running_limited(
    mongo: ReplicaSet, valkey_session: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A node with the limits people meet."""
    directory = tmp_path_factory.mktemp("limited")
    async with _running(mongo, valkey_session, directory, LIFEBUDDY_LIMITS_SCALE="1") as running:
        yield running
