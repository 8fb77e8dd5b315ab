"""A node as a process: server.py with a test's own servers behind it, to be killed, stopped and started again."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from config.settings import without_settings
from scripts.embedded.child import Child
from scripts.embedded.ports import held_port

ROOT = Path(__file__).parents[2]
SERVER = str(ROOT / "server.py")
READY_WITHIN = 40.0
STOPS_WITHIN = 30.0


class Node(Child):
    """`url` once it is ready; `output` is all it has written in all its lives. Of several behind the port, it is their supervisor."""

    def __init__(self, directory: Path, port: int, variables: Mapping[str, str], *argv: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._file = directory / "node.log"
        self._past = ""
        super().__init__(
            "node",
            [sys.executable, *argv],
            self._file,
            {**without_settings(), "LIFEBUDDY_PORT": str(port), "LIFEBUDDY_DATA": str(directory), **variables},
        )

    @property
    def output(self) -> str:
        return self._past + self._now()

    async def start_ready(self) -> None:
        """Start, and return when it says that it is ready."""
        self._past = self.output
        self.start()

        async def ready() -> bool:
            return "ready http" in self._now()

        await self.until(ready, READY_WITHIN)

    def _now(self) -> str:
        return self._file.read_text(errors="replace") if self._file.exists() else ""


@asynccontextmanager
async def node(
    directory: Path, mongo_url: str, redis_url: str, count: int = 1, /, *, program: str = SERVER, **more: str
) -> AsyncIterator[Node]:
    """A ready node on a port of its own, or so many behind it; stopped gently at the end.

    `program` runs the server as it is run for a test.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with held_port() as port:
        variables = {
            "LIFEBUDDY_PROFILE": "test",
            "LIFEBUDDY_MONGO_URL": mongo_url,
            "LIFEBUDDY_REDIS_URL": redis_url,
            "LIFEBUDDY_LIMITS_SCALE": "10000",
            "LIFEBUDDY_SHED_LAG_SECONDS": "5",
            "LIFEBUDDY_LOG_FORMAT": "json",
            "LIFEBUDDY_MEMBERSHIP_TTL_SECONDS": "2",
            "LIFEBUDDY_MEMBERSHIP_REFRESH_SECONDS": "0.5",
        }
        process = Node(directory, port, variables | more, program, *(("--nodes", str(count)) if count > 1 else ()))
        try:
            await process.start_ready()
            yield process
        finally:
            if process.alive:
                await process.stop(STOPS_WITHIN)
