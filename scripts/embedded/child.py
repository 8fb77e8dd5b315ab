"""A server process this process owns: started, signalled, stopped, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

TETHER = Path(__file__).with_name("tether.py")
POLL = 0.02  # seconds


class DidNotStart(RuntimeError):
    """The program ended, or was not ready in time; the message names its log file and its last line."""


class Child:
    """Not bound to an event loop: one loop may start it and another may stop it.

    It stands in its own session, so Ctrl-C in a terminal reaches only the owner, which stops its children in order.
    """

    def __init__(self, name: str, argv: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._environment = dict(os.environ if environment is None else environment)
        self._popen: subprocess.Popen[Any] | None = None

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise DidNotStart(f"{self.name} is not running")
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._popen is None else self._popen.poll()

    def start(self, *, piped: bool = False) -> subprocess.Popen[Any]:
        """With `piped` its standard output can be read from the Popen; everything else goes to the log file."""
        command = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *self._argv]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else log,
                stderr=None if piped else log,
                env=self._environment,
                start_new_session=True,
            )
        return self._popen

    async def until(self, ready: Callable[[], Any], timeout: float) -> None:
        """Waits until the coroutine function `ready` answers true; raises DidNotStart when the program ends first."""
        deadline = time.monotonic() + timeout
        while not await ready():
            if not self.alive:
                raise DidNotStart(f"{self.name} ended with {self.exit_code}: {self.last_line()} (see {self.log})")
            if time.monotonic() > deadline:
                raise DidNotStart(f"{self.name} was not ready in {timeout:.0f} s: {self.last_line()} (see {self.log})")
            await asyncio.sleep(POLL)

    def last_line(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
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

    async def stop(self, timeout: float = 10.0) -> bool:
        """SIGTERM, then SIGKILL after `timeout` seconds; false when it had to be killed. Harmless when it is gone."""
        self.thaw()
        self.send(signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while self.alive and time.monotonic() < deadline:
            await asyncio.sleep(POLL)
        gentle = not self.alive
        self.kill()
        return gentle
