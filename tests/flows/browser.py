"""A stock socket.io-client in its own Node process, told what to send, printing what it sees."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from scripts.embedded.node import node_command

JS = Path(__file__).parents[1] / "js"
LONGEST_LINE = 2**20


class Browser:
    """`saw` is everything so far, oldest first: `{"saw": name, "data": …}`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.saw: list[dict[str, Any]] = []
        self._process = process
        self._news = asyncio.Event()

    async def read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.saw.append(json.loads(line))
            self._news.set()

    async def send(self, name: str, body: dict[str, Any]) -> Any:
        """One command; its ack."""
        before = len(self.all("ack"))
        await self._tell({"emit": name, "body": body})
        await self.until(lambda _: len(self.all("ack")) > before, within=60.0)
        return self.all("ack")[-1]

    def all(self, what: str) -> list[Any]:
        return [one["data"] for one in self.saw if one["saw"] == what]

    async def until(self, seen: Any, *, within: float = 20.0) -> dict[str, Any]:
        """The first thing `seen` says yes to, past or to come."""
        async with asyncio.timeout(within):
            while True:
                for one in self.saw:
                    if seen(one):
                        return one
                self._news.clear()
                await self._news.wait()

    async def first(self, what: str, *, within: float = 20.0) -> Any:
        return (await self.until(lambda one: one["saw"] == what, within=within))["data"]

    async def message(self, message_id: str) -> Any:
        """The durable message of that id."""
        found = await self.until(lambda one: one["saw"] == "event" and one["data"]["data"].get("id") == message_id)
        return found["data"]

    async def end(self) -> None:
        await self._tell({"end": True})
        await self._process.wait()

    async def _tell(self, what: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def browser(script: str, *arguments: str, **variables: str) -> AsyncIterator[Browser]:
    """One device, ended with the test; `variables` are added to its environment."""
    process = await asyncio.create_subprocess_exec(
        *node_command(), script, *arguments, cwd=JS, limit=LONGEST_LINE,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **variables},
    )  # fmt: skip
    device = Browser(process)
    reading = asyncio.create_task(device.read(), name="browser.read")
    try:
        yield device
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
