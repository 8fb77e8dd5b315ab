"""Valkey (or Redis) on loopback: password, append-only file flushed every second, restartable on the same data and port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from config.keyring import kept_secret
from scripts.embedded.binaries import Program, find_valkey
from scripts.embedded.child import Child, asked
from scripts.embedded.ports import kept_port

READY_WITHIN = 20.0  # seconds; a long append-only file is read back first

CONFIGURATION = """\
port {port}
bind 127.0.0.1
protected-mode yes
requirepass {password}
dir "{directory}"
appendonly yes
appendfsync everysec
save ""
daemonize no
enable-debug-command local
"""


class Valkey(Child):
    """A running server. `kill()`, `freeze()` and `thaw()` are for tests; after `kill()`, `start_again()`."""

    def __init__(self, program: Program, directory: Path, port: int, more: str = "") -> None:
        """`more`: lines of configuration."""
        self.program = program
        self.directory = directory
        self.port = port
        self._password = kept_secret(directory / "password")
        configuration = directory / "valkey.conf"
        super().__init__("valkey", [str(program.path), str(configuration)], directory / "valkey.log")
        configuration.touch(mode=0o600)
        configuration.write_text(
            CONFIGURATION.format(port=port, password=self._password, directory=directory.resolve()) + more,
        )

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    async def start_again(self) -> None:
        self.start()
        await self.until(self.answers, READY_WITHIN)

    async def answers(self) -> bool:
        """Whether it lets us in and has read its data back."""
        return b"+PONG" in await asked(self.port, f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode(), b"+PONG")


@asynccontextmanager
async def valkey_server(directory: Path, *, port: int | None = None, throwaway: bool = False) -> AsyncIterator[Valkey]:
    """A ready server on that data directory, on the port it had there before if that is free.

    With `throwaway` it is killed at the end instead of stopped: the data will not be read again.
    """
    with kept_port(directory, port) as chosen:
        server = Valkey(find_valkey(), directory, chosen)
        try:
            await server.start_again()
            yield server
        finally:
            server.kill() if throwaway else await server.stop()
