"""The server as a child of `scripts/run`: imported early, told its variables, listened to, drained."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from scripts.embedded.child import Child, StartError

SERVER = Path(__file__).parents[2] / "server.py"
PRELOAD = Path(__file__).with_name("preload.py")
READY_WITHIN = 60.0  # seconds


class Server:
    def __init__(self, child: Child, started: subprocess.Popen[bytes], lines: asyncio.StreamReader) -> None:
        self.child = child
        self._started = started
        self._lines = lines

    async def until_ready(self, variables: Mapping[str, str]) -> str:
        """Lets it run with these variables; the URL of its ready line. Raises StartError."""
        told: IO[bytes] | None = self._started.stdin
        with suppress(BrokenPipeError):  # it ended already: the lines end too, and say so below
            if told is not None:
                told.write(json.dumps(dict(variables)).encode())
                told.close()
        try:
            async with asyncio.timeout(READY_WITHIN):
                return await self._ready_line()
        except TimeoutError:
            raise StartError(f"the server was not ready in {READY_WITHIN:.0f} s") from None

    async def _ready_line(self) -> str:
        while line := await self._lines.readline():
            if line.startswith(b"ready "):
                return line.decode().split()[1]
            _show(line)
        raise StartError(f"the server ended with {await self._ended()} before it was ready")

    async def follow(self) -> int:
        """Shows what it prints until it ends; its exit code."""
        while line := await self._lines.readline():
            _show(line)
        return await self._ended()

    async def drain(self, within: float) -> bool:
        """Stops it, its last lines shown; false when it had to be killed."""
        gentle, _ = await asyncio.gather(self.child.stop(within), self.follow())
        return gentle

    async def _ended(self) -> int:
        while self.child.alive:  # noqa: ASYNC110  # no event tells of another process
            await asyncio.sleep(0.02)
        return self.child.exit_code or 0


@asynccontextmanager
async def preloaded_server(arguments: Sequence[str]) -> AsyncIterator[Server]:
    """Starts importing at once; runs when `until_ready` is called, is killed at the end if nobody drained it."""
    child = Child("server", [sys.executable, str(PRELOAD), str(SERVER), *arguments], None)
    started = child.start()
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    pipe: IO[bytes] | None = started.stdout
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    try:
        yield Server(child, started, lines)
    finally:
        child.kill()
        transport.close()
        with suppress(BrokenPipeError):
            if started.stdin is not None:
                started.stdin.close()


def _show(line: bytes) -> None:
    print(line.decode(errors="replace"), end="", flush=True)
