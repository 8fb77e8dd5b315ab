"""Real MongoDB on loopback: a single-node replica set for one machine, and one of three for tests of elections."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from pymongo.errors import OperationFailure

from scripts.embedded.binaries import find_mongod
from scripts.embedded.mongod import SET_NAME, Client, Document, Mongod
from scripts.embedded.ports import kept_port

ALREADY_INITIALIZED, NOT_YET_INITIALIZED, USER_EXISTS = 23, 94, 51003
USERS = {"admin": ["root"], "lifebuddy": ["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"]}


class ReplicaSet:
    """One or more mongods; `url` is what the server gets, `admin_url` may also set fail points and step down."""

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
        return self.members[0].url_as(user, f"{hosts}/?replicaSet={SET_NAME}")

    async def primary(self, within: float = 30.0) -> Mongod:
        """The member that takes writes now; waits for an election to end. Do not ask while a member is frozen."""
        async with asyncio.timeout(within):
            while (found := await self._primary_now()) is None:  # noqa: ASYNC110  # other processes decide
                await asyncio.sleep(0.02)
        return found

    async def _primary_now(self) -> Mongod | None:
        for member in self.members:
            if await member.is_primary():
                return member
        return None

    async def secondaries(self) -> list[Mongod]:
        first = await self.primary()
        return [member for member in self.members if member is not first]

    async def all_in_place(self, within: float = 60.0) -> None:
        """Waits until every member is primary or secondary, so that a majority holds whoever is lost."""
        async with asyncio.timeout(within):
            for member in self.members:
                while not _in_place(await member.hello()):  # noqa: ASYNC110  # another process decides
                    await asyncio.sleep(0.05)

    async def initiate(self, settings: Document) -> None:
        """Makes the set and its two users; any step may have been done by an earlier start that was cut short."""
        first = self.members[0]
        async with first.connected(admin=False) as nobody:
            members = [{"_id": number, "host": member.host} for number, member in enumerate(self.members)]
            configuration = {"_id": SET_NAME, "version": 1, "members": members, "settings": settings}
            await _unless(ALREADY_INITIALIZED, nobody.admin.command({"replSetInitiate": configuration}))
        await self._create_users()

    async def initiate_once(self, marker: Path) -> None:
        """For a single-node set: initiated the first time, told its port every other time; then it takes writes."""
        if marker.exists():  # noqa: ASYNC240  # nothing else runs yet
            await self._readdress()
        else:
            await self.initiate({})
            marker.touch()  # noqa: ASYNC240  # as above
        await self.primary()

    async def _create_users(self) -> None:
        first = await self.primary()
        for user, roles in USERS.items():  # on loopback the first may be made by nobody; the others by the first
            async with first.connected(admin=user != "admin") as client:
                command = {"createUser": user, "pwd": first.password(user), "roles": roles}
                await _unless(USER_EXISTS, client.admin.command(command))

    async def _readdress(self) -> None:
        only = self.members[0]
        async with only.connected(admin=True) as admin:
            current = await _configuration(admin)
            if current["members"][0]["host"] != only.host:
                current["members"][0]["host"] = only.host
                current["version"] += 1
                await admin.admin.command({"replSetReconfig": current, "force": True})


@asynccontextmanager
async def mongod(directory: Path, *, port: int | None = None, throwaway: bool = False) -> AsyncIterator[ReplicaSet]:
    """A ready single-node replica set on that data directory, on the port it had there before if that is free.

    With `throwaway` it takes test commands, is killed at the end instead of stopped, and leaves its log alone.
    """
    async with AsyncExitStack() as stack:
        only = ReplicaSet([await _started(stack, directory, directory / "secrets", port=port, throwaway=throwaway)])
        await only.initiate_once(directory / "initiated")
        yield only


@asynccontextmanager
async def mongod_replica_set(directory: Path, n: int = 3, *, election_ms: int = 1000) -> AsyncIterator[ReplicaSet]:
    """For tests: every member may be elected, fail points can be set, a lost primary is replaced in 1 to 2 s."""
    async with AsyncExitStack() as stack:
        folders = [directory / f"member-{number}" for number in range(n)]
        members = [await _started(stack, folder, directory / "secrets", throwaway=True) for folder in folders]
        several = ReplicaSet(members)
        await several.initiate(
            {"electionTimeoutMillis": election_ms, "heartbeatIntervalMillis": 200, "catchUpTimeoutMillis": 2000},
        )
        await several.all_in_place()
        yield several


async def _started(
    stack: AsyncExitStack,
    directory: Path,
    secrets: Path,
    *,
    port: int | None = None,
    throwaway: bool,
) -> Mongod:
    chosen = stack.enter_context(kept_port(directory, port))
    member = Mongod(find_mongod(), directory, chosen, secrets, test_commands=throwaway)
    if throwaway:
        stack.callback(shutil.rmtree, member.data, ignore_errors=True)
        stack.callback(member.kill)
    else:
        stack.push_async_callback(member.stop)
    await member.start_again()
    return member


def _in_place(hello: Document) -> bool:
    return bool(hello.get("isWritablePrimary") or hello.get("secondary"))


async def _configuration(admin: Client, within: float = 60.0) -> Document:
    """The set's configuration; a member first tries whether its old address is itself, which may take 10 s."""
    found: Document = {}
    async with asyncio.timeout(within):
        while not found:
            found = await _unless(NOT_YET_INITIALIZED, admin.admin.command("replSetGetConfig"))
            await asyncio.sleep(0 if found else 0.05)
    configuration: Document = found["config"]
    return configuration


async def _unless(code: int, command: Awaitable[Document]) -> Document:
    """The answer to the command; empty when it is refused with that code."""
    try:
        return await command
    except OperationFailure as refusal:
        if refusal.code != code:
            raise
    return {}
