"""A cluster of Valkeys on loopback: three shards, one of them with a replica where a test wants to see it promoted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from redis.asyncio import Redis
from redis.crc import key_slot

from config.keyring import kept_secret
from scripts.embedded.binaries import find_valkey
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import Valkey

SLOTS: Final = 16384
NODE_TIMEOUT: Final = 1000  # ms

MORE: Final = """\
cluster-enabled yes
cluster-port {bus}
cluster-node-timeout {timeout}
cluster-require-full-coverage no
masterauth {password}
repl-diskless-sync-delay 0
"""


class Cluster:
    """`kill`, `freeze`, `thaw` and `start_again` are done to all of it; a shard is one of `members`."""

    def __init__(self, members: Sequence[Valkey], password: str, shards: int) -> None:
        self.members = members
        self._password = password
        self._shards = shards

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"redis+cluster://:{self._password}@{hosts}/0"

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def freeze(self) -> None:
        for member in self.members:
            member.freeze()

    def thaw(self) -> None:
        for member in self.members:
            member.thaw()

    async def start_again(self) -> None:
        for member in self.members:
            member.start()
        await self.up()

    async def up(self) -> None:
        """Until every member says that all slots are served."""
        for member in self.members:
            await self.until(member, lambda said: b"cluster_state:ok" in said and b"slots_assigned:16384" in said)

    async def until(self, member: Valkey, well: Callable[[bytes], bool], within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not well(await self._said(member)):  # noqa: ASYNC110  # no event tells of another process
                await asyncio.sleep(0.02)

    async def _said(self, member: Valkey) -> bytes:
        if not await member.answers():
            return b""
        said: Any = await self.tell(member, "CLUSTER", "INFO")
        return said if isinstance(said, bytes) else str(said).encode()

    async def tell(self, member: Valkey, *words: object) -> Any:
        """What that member says to a command."""
        async with Redis.from_url(member.url) as client:
            client.response_callbacks.clear()
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py's

    async def all(self, *words: object) -> list[Any]:
        return [await self.tell(member, *words) for member in self.members[: self._shards]]

    async def owner(self, key: str) -> Valkey:
        """The member whose shard has the key now."""
        slot, ports = key_slot(key.encode()), {member.port: member for member in self.members}
        alive = next(member for member in self.members if member.alive)
        found = await self.tell(alive, "CLUSTER", "SLOTS")
        return next(ports[primary[1]] for first, last, primary, *_ in found if first <= slot <= last)

    async def begin_move(self, key: str, to: Valkey) -> Valkey:
        """The slot of the key is on its way; keys it has stay where they are. Answers who has it."""
        slot, owner = key_slot(key.encode()), await self.owner(key)
        ids = [(await self.tell(member, "CLUSTER", "MYID")).decode() for member in (owner, to)]
        await self.tell(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        await self.tell(owner, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        return owner

    async def end_move(self, key: str, owner: Valkey, to: Valkey) -> None:
        """What is still there goes along, and everybody is told."""
        slot = key_slot(key.encode())
        while keys := await self.tell(owner, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            where = ("127.0.0.1", to.port, "", 0, 1000, "AUTH", self._password)
            await self.tell(owner, "MIGRATE", *where, "KEYS", *keys)
        its = (await self.tell(to, "CLUSTER", "MYID")).decode()
        for member in (to, owner):
            await self.tell(member, "CLUSTER", "SETSLOT", slot, "NODE", its)


StartCluster = Callable[..., Awaitable[Cluster]]


@asynccontextmanager
async def valkey_cluster(directory: Path, shards: int = 3, replicas: int = 0) -> AsyncIterator[Cluster]:
    """A cluster that is served whole. The replicas are those of the first shard."""
    async with AsyncExitStack() as stack:
        password = ""
        members = list[Valkey]()
        for number in range(shards + replicas):
            place = directory / str(number)
            place.mkdir(parents=True, mode=0o700)
            if password:
                (place / "password").write_text(password)
            password = kept_secret(place / "password")
            port, bus = (stack.enter_context(held_port()) for _ in range(2))
            more = MORE.format(bus=bus, timeout=NODE_TIMEOUT, password=password)
            members.append(Valkey(find_valkey(), place, port, more))
            stack.callback(members[-1].kill)
            await members[-1].start_again()
            if number:
                stack.callback(lambda: None)
                first = members[0]
                await _meet(first, members[-1], bus)
        cluster = Cluster(members, password, shards)
        await _share_out(cluster, members[:shards])
        await cluster.up()
        for replica in members[shards:]:
            first_id = (await cluster.tell(members[0], "CLUSTER", "MYID")).decode()
            await cluster.tell(replica, "CLUSTER", "REPLICATE", first_id)
        if replicas:
            await _follows(cluster, members[shards:])
        yield cluster


async def _meet(first: Valkey, other: Valkey, bus: int) -> None:
    async with Redis.from_url(first.url) as client:
        await client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)  # type: ignore[no-untyped-call]


async def _share_out(cluster: Cluster, primaries: Sequence[Valkey]) -> None:
    count = len(primaries)
    for number, member in enumerate(primaries):
        first, last = number * SLOTS // count, (number + 1) * SLOTS // count - 1
        await cluster.tell(member, "CLUSTER", "ADDSLOTSRANGE", first, last)


async def _follows(cluster: Cluster, replicas: Sequence[Valkey]) -> None:
    async with asyncio.timeout(10):
        for replica in replicas:
            while b"master_link_status:up" not in await cluster.tell(replica, "INFO", "replication"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
