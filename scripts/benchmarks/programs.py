"""Programs a bench starts and speaks to: the node, the baseline's server, the load. None outlives the bench."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benchmarks.venv import ROOT
from scripts.embedded.child import Child
from scripts.embedded.ports import held_port

READY_WITHIN = 60.0  # seconds
READY = re.compile(r"^ready http://\S+$", re.MULTILINE)


@asynccontextmanager
async def server(log: Path, *argv: str | Path, environment: Mapping[str, str]) -> AsyncIterator[Child]:
    """A server on `PORT` of its environment, entered when it has printed its `ready` line."""
    child = Child(log.stem, [*map(str, argv)], log, {**os.environ, **environment})

    try:
        child.start()
        await child.until(partial(_said_ready, log), READY_WITHIN)
        yield child
    finally:
        child.kill()  # nobody reads again what it kept


async def _said_ready(log: Path) -> bool:
    said = log.read_text(errors="replace")  # noqa: ASYNC240  # one line
    return READY.search(said) is not None


@asynccontextmanager
async def node(log: Path, variables: Mapping[str, str]) -> AsyncIterator[tuple[Child, str]]:
    """Our server with these settings: its process and its address."""
    with held_port() as port:
        environment = {"LIFEBUDDY_PORT": str(port), "LIFEBUDDY_LOG_LEVEL": "warning", **variables}
        async with server(log, sys.executable, ROOT / "server.py", environment=environment) as child:
            yield child, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def stock(log: Path, mongo_url: str) -> AsyncIterator[tuple[Child, str]]:
    """The baseline's server: its process and its address."""
    with held_port() as port:
        argv = (sys.executable, "-m", "scripts.benchmarks.contenders.stock_chat", mongo_url, "stock", str(port))
        async with server(log, *argv, environment={}) as child:
            yield child, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def echo(log: Path, *argv: str | Path) -> AsyncIterator[tuple[Child, str]]:
    """A server that answers at once and keeps nothing, told its port as the last argument."""
    with held_port() as port:
        async with server(log, *argv, str(port), environment={}) as child:
            yield child, f"http://127.0.0.1:{port}"


class Load:
    """The process that plays the users."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise TypeError("the load is spoken to over its standard input and output")
        self._orders, self._answers = process.stdin, process.stdout

    async def order(self, do: str, **how: object) -> dict[str, Any]:
        """Raises ConnectionError when the load failed; what went wrong stands on its standard error."""
        self._orders.write(json.dumps({"do": do, **how}).encode() + b"\n")
        line = await self._answers.readline()
        if not line:
            raise ConnectionError(f"the load ended at {do}")
        answer: dict[str, Any] = json.loads(line)
        if answer.get("problems"):
            raise ConnectionError(f"{do} was refused: {answer['problems']}")
        return answer


@asynccontextmanager
async def load(program: str = "scripts.benchmarks.load") -> AsyncIterator[Load]:
    """`program` is the module that plays them."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program), stdin=pipe, stdout=pipe, cwd=ROOT, limit=2**22
    )
    try:
        yield Load(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
