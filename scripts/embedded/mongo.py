"""Real mongods on loopback: a single-node replica set for one machine, one of three for tests of elections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from scripts.embedded.binaries import Program, find_mongod
from scripts.embedded.child import Child
from scripts.embedded.keyring import kept_secret
from scripts.embedded.ports import held_port, sticky_port

SET_NAME = "lifebuddy"
READY_WITHIN = 60.0  # seconds; after a crash the journal is replayed first
ALREADY = {23: "AlreadyInitialized", 51003: "User already exists"}
ADMIN_ROLES = ["root"]
SERVER_ROLES = ["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"]

Document = dict[str, Any]
Client = AsyncMongoClient[Document]


class Mongod(Child):
    """One mongod. `kill()`, `freeze()` and `thaw()` are for tests; after `kill()`, `start_again()`."""

    def __init__(self, program: Program, directory: Path, port: int, secrets: Path) -> None:
        self.program = program
        self.directory = directory
        self.port = port
        self._secrets = secrets
        super().__init__("mongod", _arguments(program, directory, port, secrets), directory / "mongod.log")

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Of this one member, as administrator."""
        return self.as_user("admin", f"{self.host}/?directConnection=true")

    def as_user(self, name: str, rest: str) -> str:
        return f"mongodb://{name}:{kept_secret(self._secrets / name)}@{rest}&authSource=admin"

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


class ReplicaSet:
    """One or more mongods under one name; `url` is the server's, `admin_url` may set fail points and step down."""

    def __init__(self, members: list[Mongod]) -> None:
        self.members = members

    @property
    def url(self) -> str:
        return self._url("lifebuddy")

    @property
    def admin_url(self) -> str:
        return self._url("admin")

    def _url(self, user: str) -> str:
        hosts = ",".join(member.host for member in self.members)
        return self.members[0].as_user(user, f"{hosts}/?replicaSet={SET_NAME}")

    async def primary(self, timeout: float = 30.0) -> Mongod:
        """The member that takes writes now; waits for an election to end."""
        async with asyncio.timeout(timeout):
            while True:
                for member in self.members:
                    if member.alive and (await _hello(member)).get("isWritablePrimary"):
                        return member
                await asyncio.sleep(0.05)

    async def secondaries(self) -> list[Mongod]:
        first = await self.primary()
        return [member for member in self.members if member is not first]

    async def all_in_place(self, timeout: float = 60.0) -> None:
        """Waits until every member is primary or secondary, so that a majority holds whoever is lost."""
        async with asyncio.timeout(timeout):
            for member in self.members:
                while not await _in_place(member):
                    await asyncio.sleep(0.05)

    async def initiate(self, settings: Document) -> None:
        """Makes the set and its two users; every step may have been done already by a start that was cut short."""
        first = self.members[0]
        async with _client(f"mongodb://{first.host}/?directConnection=true") as anyone:
            if not (await _hello(first)).get("setName"):
                await _unless_done(anyone, "replSetInitiate", _configuration(self.members, settings))
            await self.primary()
        await self._create_users()

    async def _create_users(self) -> None:
        first = await self.primary()
        async with _client(f"mongodb://{first.host}/?directConnection=true") as anyone:
            await _create_user(anyone, first, "admin", ADMIN_ROLES)  # while there is no user, loopback may make one
        async with _client(first.url) as admin:
            await _create_user(admin, first, "lifebuddy", SERVER_ROLES)

    async def readdress(self) -> None:
        """Tells a single-node set that it has another port than last time."""
        only = self.members[0]
        async with _client(only.url) as admin:
            current = (await admin.admin.command("replSetGetConfig"))["config"]
            if current["members"][0]["host"] == only.host:
                return
            current["members"][0]["host"] = only.host
            current["version"] += 1
            await admin.admin.command({"replSetReconfig": current, "force": True})


@asynccontextmanager
async def mongod(
    directory: Path,
    *,
    port: int | None = None,
    throwaway: bool = False,
    test_commands: bool = False,
) -> AsyncIterator[ReplicaSet]:
    """A ready single-node replica set on that data directory, on the port it had there before if that is free."""
    async with AsyncExitStack() as stack:
        member = await _started(stack, directory, port, test_commands=test_commands, throwaway=throwaway)
        only = ReplicaSet([member])
        marker = directory / "initiated"
        if marker.exists():
            await only.readdress()
        else:
            await only.initiate({})
            marker.touch()
        await only.primary()
        yield only


@asynccontextmanager
async def mongod_replica_set(directory: Path, n: int = 3, *, election_ms: int = 1000) -> AsyncIterator[ReplicaSet]:
    """For tests: every member may be elected, fail points can be set, a lost primary is replaced in 1 to 2 s."""
    async with AsyncExitStack() as stack:
        secrets = directory / "secrets"
        folders = [directory / f"member-{number}" for number in range(n)]
        members = [await _started(stack, folder, None, secrets=secrets, test_commands=True) for folder in folders]
        several = ReplicaSet(members)
        await several.initiate(
            {"electionTimeoutMillis": election_ms, "heartbeatIntervalMillis": 200, "catchUpTimeoutMillis": 2000},
        )
        await several.all_in_place()
        yield several


async def _started(
    stack: AsyncExitStack,
    directory: Path,
    port: int | None,
    *,
    secrets: Path | None = None,
    test_commands: bool = False,
    throwaway: bool = True,
) -> Mongod:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    chosen = stack.enter_context(held_port(sticky_port(directory, port)))
    (directory / "port").write_text(str(chosen))
    member = Mongod(find_mongod(), directory, chosen, secrets or directory / "secrets")
    if test_commands:
        member.allow_test_commands()
    stack.push_async_callback(_end, member, throwaway=throwaway)
    await member.start_again()
    return member
