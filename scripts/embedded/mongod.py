"""One mongod on loopback, with key file and passwords; what it says when asked directly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from config.keyring import kept_secret
from scripts.embedded.binaries import Program
from scripts.embedded.child import Child

SET_NAME = "lifebuddy"
READY_WITHIN = 60.0  # seconds; after a crash the journal is replayed first

Document = dict[str, Any]
Client = AsyncMongoClient[Document]


class Mongod(Child):
    """A member of a set. `kill()`, `freeze()` and `thaw()` are for tests; after `kill()`, `start_again()`."""

    def __init__(
        self,
        program: Program,
        directory: Path,
        port: int,
        secrets: Path,
        *,
        test_commands: bool = False,
    ) -> None:
        self.program = program
        self.directory = directory
        self.data = directory / "db"
        self.port = port
        self._secrets = secrets
        kept_secret(secrets / "key-file")
        arguments = _arguments(self.data, port, secrets / "key-file")
        if test_commands:
            arguments += ["--setParameter", "enableTestCommands=1"]
        super().__init__("mongod", [str(program.path), *arguments], directory / "mongod.log")

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Of this one member, as administrator."""
        return self.url_as("admin", f"{self.host}/?directConnection=true")

    def url_as(self, user: str, hosts_and_options: str) -> str:
        return f"mongodb://{user}:{self.password(user)}@{hosts_and_options}&authSource=admin"

    def password(self, user: str) -> str:
        return kept_secret(self._secrets / user)

    async def start_again(self) -> None:
        """Ready means that it answers; which member is primary is the set's business."""
        self.start()
        await self.until(self.answers, READY_WITHIN)

    async def answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    @asynccontextmanager
    async def connected(self, *, admin: bool) -> AsyncIterator[Client]:
        """A client of this member alone: as administrator, or as nobody yet."""
        nobody = f"mongodb://{self.host}/?directConnection=true"
        async with AsyncMongoClient[Document](self.url if admin else nobody, serverSelectionTimeoutMS=2000) as client:
            yield client

    async def is_primary(self) -> bool:
        """Whether it runs and takes writes."""
        return self.alive and bool((await self.hello()).get("isWritablePrimary"))

    async def hello(self) -> Document:
        """What it says of itself; empty when it does not answer."""
        async with self.connected(admin=False) as client:
            try:
                return await client.admin.command("hello")
            except PyMongoError:
                return {}


def _arguments(data: Path, port: int, key_file: Path) -> list[str]:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    parameters = {
        "shutdownTimeoutMillisForSignaledShutdown": 100,  # nobody else is there to take over
        "diagnosticDataCollectionEnabled": "false",
    }
    options = {
        "dbpath": data,
        "port": port,
        "bind_ip": "127.0.0.1",
        "replSet": SET_NAME,
        "keyFile": key_file,
        "networkMessageCompressors": "disabled",  # releases of this age have a hole in their zlib (CVE-2025-14847)
        "wiredTigerCacheSizeGB": 0.25,
        "oplogSize": 990,
    }
    flags = ["--auth", "--nounixsocket", "--quiet"]
    for name, value in options.items():
        flags += [f"--{name}", str(value)]
    for name, value in parameters.items():
        flags += ["--setParameter", f"{name}={value}"]
    return flags
