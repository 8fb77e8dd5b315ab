"""Where a key is: at the one server there is, or at the shard of a cluster that has its slot."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, MovedError, RedisError

TIME_LIMIT: Final = (
    2.0  # seconds for one answer; redis-py's own default is 5, so nothing may block longer on the server
)
UNREACHABLE: Final = (RedisError, OSError, TimeoutError)
"""What any call may raise when Redis is away, frozen, loading, failing over or full."""
REDIRECTS: Final = 3
"""Times that a command is sent on, while a slot is on its way from one shard to another."""
PAUSE: Final = 0.2
"""Seconds between two looks at where the slots are."""

Address = tuple[str, int]

Queue = Callable[[Pipeline], Any]
"""Puts exactly one command into the pipeline."""


class Shards:
    """One plain client for each server that has keys; with a cluster, whoever serves which of its slots.

    redis-py's own client of a cluster closes its connections to all shards when one of them goes away, and sends a
    pipeline again to all of them; here a shard that is away costs only those whose keys it has.
    """

    def __init__(self, client: Callable[[Address], Redis], seeds: Sequence[Address]) -> None:
        """`client` makes one that connects when it is used. The seeds are asked where the slots are; none: no cluster."""
        self._client = client
        self._seeds = seeds
        self._clients: dict[Address, Redis] = {}
        self._slots: list[Address] = []
        self._stale = asyncio.Event()

    @classmethod
    def alone(cls, client: Redis) -> "Shards":
        """One server that has all keys."""
        shards = cls(lambda _: client, ())
        shards._serve(("", 0), [0])
        return shards

    @property
    def all(self) -> Sequence[Redis]:
        return list(self._clients.values())

    def at(self, key: str) -> Redis:
        """The one that has the key, as far as is known."""
        return self._clients[self._slots[key_slot(key.encode()) if self._seeds else 0]]

    async def execute(self, at: Redis, queues: Sequence[Queue], time_limit: float = TIME_LIMIT) -> list[Any]:
        """The answers in order, with exceptions among them. Each command has one key, or none.

        A slot that moved is followed. A command must be harmless when it is sent twice.
        """
        answers = await self._execute(at, queues, time_limit)
        for _ in range(REDIRECTS):
            elsewhere: defaultdict[tuple[Address, bool], list[int]] = defaultdict(list)
            for number, answer in enumerate(answers):
                if isinstance(answer, AskError):  # MOVED is one as well
                    elsewhere[_address(answer, at), not isinstance(answer, MovedError)].append(number)
            if not elsewhere:
                break
            again = await asyncio.gather(
                *(
                    self._execute(self._at(address), [queues[number] for number in numbers], time_limit, asking=asking)
                    for (address, asking), numbers in elsewhere.items()
                )
            )
            for numbers, found in zip(elsewhere.values(), again, strict=True):
                for number, answer in zip(numbers, found, strict=True):
                    answers[number] = answer
        return answers

    def learn(self, problem: BaseException, at: Redis) -> None:
        """What went wrong there may say that the slots are elsewhere by now."""
        if isinstance(problem, MovedError) and self._seeds:
            self._serve(_address(problem, at), [problem.slot_id])
        self._stale.set()

    async def refresh(self) -> None:
        """Ask all that are known; the first that answers is believed. Raises what one of them did when none does."""
        known = dict.fromkeys([*self._clients, *self._seeds])
        found = await asyncio.gather(*map(self._ask, known), return_exceptions=True)
        answers = [one for one in found if not isinstance(one, BaseException)]
        if not answers:
            raise next(one for one in found if isinstance(one, BaseException))
        for first, last, address in answers[0]:
            self._serve(address, range(first, last + 1))
        await self._part(set(self._clients) - set(self._slots))

    async def run(self) -> None:
        """Look anew where the slots are, each time something seemed to be wrong with that."""
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self.refresh()
            except UNREACHABLE:
                self._stale.set()
            await asyncio.sleep(PAUSE)

    async def check(self) -> None:
        """Raises what one of them did when none answers."""
        found = await asyncio.gather(*(client.ping() for client in self.all), return_exceptions=True)
        if all(isinstance(one, BaseException) for one in found):
            raise next(one for one in found if isinstance(one, BaseException))

    async def aclose(self) -> None:
        await self._part(set(self._clients))

    def _serve(self, address: Address, slots: Sequence[int]) -> None:
        self._at(address)
        if not self._slots:
            self._slots = [address] * (REDIS_CLUSTER_HASH_SLOTS if self._seeds else 1)
        for slot in slots:
            self._slots[slot] = address

    def _at(self, address: Address) -> Redis:
        if address not in self._clients:
            self._clients[address] = self._client(address)
        return self._clients[address]

    async def _part(self, addresses: set[Address]) -> None:
        """From those that serve no slot any more; a call under way there fails, as it would have."""
        for address in addresses:
            await self._clients.pop(address).aclose()

    async def _ask(self, address: Address) -> list[tuple[int, int, Address]]:
        """The ranges of slots, first and last, and who serves them."""
        client = self._clients.get(address) or self._client(address)
        try:
            found = await client.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]  # redis-py's
        finally:
            if client is not self._clients.get(address):
                await client.aclose()
        return [(first, last, _named(primary, address)) for first, last, primary, *_ in found]

    async def _execute(
        self, at: Redis, queues: Sequence[Queue], time_limit: float, *, asking: bool = False
    ) -> list[Any]:
        pipeline = at.pipeline(transaction=False)
        for queue in queues:
            if asking:
                pipeline.execute_command("ASKING")
            queue(pipeline)
        try:
            async with asyncio.timeout(time_limit):
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except UNREACHABLE as problem:
            answers = [problem] * len(queues)
        else:
            answers = answers[1::2] if asking else answers
        for answer in answers:
            if isinstance(answer, Exception):
                self.learn(answer, at)
        return answers


def _named(primary: Sequence[Any], asked: Address) -> Address:
    """Who serves a range; without a host, the one that was asked."""
    host, port = primary[:2]
    return (host.decode() if host else asked[0]), int(port)


def _address(sent_on: AskError, at: Redis) -> Address:
    """Where an answer sends us; without a host, another port of the one that gave it."""
    return sent_on.host or at.connection_pool.connection_kwargs["host"], sent_on.port
