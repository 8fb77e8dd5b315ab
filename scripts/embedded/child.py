"""A server process this process owns: started, signalled, stopped, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO

TETHER = Path(__file__).with_name("tether.py")
POLL = 0.02  # seconds


class StartError(RuntimeError):
    """The program ended, or was not ready in time; the message names its log file and its last line."""


class Child:
    """Not bound to an event loop: one loop may start it and another may stop it.

    It stands in its own session, so Ctrl-C in a terminal reaches only the owner, which stops its children in order.
    What it prints goes to the log file; without one, its owner writes its input and reads its output, errors are shown.
    """

    def __init__(
        self, name: str, argv: list[str], log: Path | None, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._environment = dict(os.environ if environment is None else environment)
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise StartError(f"{self.name} is not running")
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._popen is None else self._popen.poll()

    def start(self) -> subprocess.Popen[bytes]:
        """Returns when it runs and is tied to us."""
        told, tell = os.pipe()
        with self._output() as log, os.fdopen(told) as running:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(tell), *self._argv],
                stdin=subprocess.PIPE if log is None else subprocess.DEVNULL,
                stdout=subprocess.PIPE if log is None else log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                pass_fds=[tell],
            )
            os.close(tell)
            running.read()
        return self._popen

    def _output(self) -> AbstractContextManager[IO[bytes] | None]:
        if self.log is None:
            return nullcontext()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        return self.log.open("wb")

    async def until(self, ready: Callable[[], Awaitable[bool]], within: float) -> None:
        """Waits until the coroutine function `ready` answers true; raises StartError when the program ends first."""
        deadline = time.monotonic() + within
        while not await ready():
            if not self.alive:
                raise StartError(f"{self.name} ended with {self.exit_code}: {self.last_line()} (see {self.log})")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready in {within:.0f} s: {self.last_line()} (see {self.log})")
            await asyncio.sleep(POLL)

    def last_line(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log and self.log.exists() else []
        return next((line[-300:] for line in reversed(lines) if line.strip()), "it said nothing")

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and the pid is gone when this returns."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    async def stop(self, within: float = 10.0) -> bool:
        """SIGTERM, then SIGKILL after `within` seconds; false when it had to be killed. Harmless when it is gone."""
        self.thaw()
        self.send(signal.SIGTERM)
        deadline = time.monotonic() + within
        try:
            while self.alive and time.monotonic() < deadline:  # noqa: ASYNC110  # no event tells of another process
                await asyncio.sleep(POLL)
        finally:  # cancelled: whoever waits has lost patience
            gentle = not self.alive
            self.kill()
        return gentle


async def asked(port: int, question: bytes, until: bytes) -> bytes:
    """What a server on loopback says up to those bytes, or to its end; empty when that takes longer than 2 s."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return b""
    writer.write(question)
    try:
        return await asyncio.wait_for(reader.readuntil(until), timeout=2)
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.close()
