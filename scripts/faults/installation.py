"""The whole installation as processes: three mongods, Valkey, a scripted model, and the nodes."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from config.settings import variable, without_settings
from scripts.embedded.child import Child
from scripts.embedded.mongo import ReplicaSet, mongod_replica_set
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import Valkey, valkey_server
from scripts.faults.numbers import Numbers
from scripts.integrity.command import Stores
from storage.sealing import MASTER

ROOT = Path(__file__).parents[2]
NODES = 3
DATABASE = "chaos"
READY_WITHIN, STOPS_WITHIN = 60.0, 40.0


class Node(Child):
    """`server.py` on a port of its own; each of its lives has a log file of its own."""

    def __init__(self, directory: Path, port: int, variables: Mapping[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.logs: list[Path] = []
        self._directory = directory
        own = {variable("port"): str(port), variable("data"): str(directory)}
        environment = {**without_settings(), **own, **variables}
        super().__init__(directory.name, [sys.executable, str(ROOT / "server.py")], None, environment)

    async def start_ready(self) -> None:
        """As another incarnation, if it ran before; returns when it says that it is ready."""
        self.log = log = self._directory / f"{len(self.logs)}.log"
        self.logs.append(log)
        self.start()

        async def ready() -> bool:
            return "ready http" in log.read_text(errors="replace")

        await self.until(ready, READY_WITHIN)


@dataclass(frozen=True)
class Installation:
    mongo: ReplicaSet
    valkey: Valkey
    nodes: Sequence[Node]
    key: bytes

    @property
    def stores(self) -> Stores:
        return Stores(self.mongo.url, DATABASE, {MASTER: self.key}, self.valkey.url)


@asynccontextmanager
async def installation(directory: Path, numbers: Numbers) -> AsyncIterator[Installation]:
    """All of it ready; ended in the opposite order. What it has written stays in the directory."""
    key = secrets.token_bytes(32)
    async with AsyncExitStack() as stack:
        mongo = await stack.enter_async_context(
            mongod_replica_set(directory / "mongo", election_ms=int(numbers.election * 1000))
        )
        valkey = await stack.enter_async_context(valkey_server(directory / "valkey", throwaway=True))
        model = await _model(stack, directory / "model.log")
        variables = {
            **_settings(numbers),
            "OPENAI_BASE_URL": model,
            "OPENAI_API_KEY": "scripted",
            variable("mongo_url"): mongo.url,
            variable("redis_url"): valkey.url,
            variable("master_key"): key.hex(),
            variable("signing_keys"): str(directory / "keys"),
        }
        nodes = [_node(stack, directory / f"node-{number}", variables) for number in range(NODES)]
        await nodes[0].start_ready()  # it makes the keys of all
        await asyncio.gather(*(node.start_ready() for node in nodes[1:]))
        yield Installation(mongo, valkey, nodes, key)


def _settings(numbers: Numbers) -> dict[str, str]:
    given = {
        "profile": "test",
        "mongo_database": DATABASE,
        "limits_scale": 1_000_000,
        "daily_tokens": 10**12,
        "log_format": "json",
        "shed_lag_seconds": numbers.shed_lag,
        "membership_ttl_seconds": numbers.lease,
        "membership_refresh_seconds": numbers.refresh,
    }
    return {variable(name): str(value) for name, value in given.items()}


def _node(stack: AsyncExitStack, directory: Path, variables: Mapping[str, str]) -> Node:
    directory.mkdir(parents=True)
    node = Node(directory, stack.enter_context(held_port()), variables)
    stack.push_async_callback(node.stop, STOPS_WITHIN)
    return node


async def _model(stack: AsyncExitStack, log: Path) -> str:
    """The tests' own model, by its base URL: says what it was told, or makes a goal when asked for one."""
    with held_port() as port:
        pass  # it holds one itself: this one, or another that it names
    argv = [sys.executable, "-m", "tests.scripted_model", "--port", str(port), "--behaviour", "asked"]
    model = Child("model", argv, log, {**without_settings(), "PYTHONPATH": str(ROOT)})
    model.start()
    stack.push_async_callback(model.stop)

    async def ready() -> bool:
        return model.last_line().endswith("/v1")

    await model.until(ready, READY_WITHIN)
    return model.last_line()
