"""A whole run: people talk, faults come one after the other, and at the end it is looked whether all is there."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from scripts.faults.faults import FAULTS, Aim
from scripts.faults.installation import Installation, installation
from scripts.faults.numbers import Numbers
from scripts.faults.people import People, arrived
from scripts.faults.proof import prove
from scripts.faults.tally import Hurt, Tally

Say = Callable[[str], None]
PATIENCE = aiohttp.ClientTimeout(total=8.0)


class Run:
    """`seconds` of None: every fault once. `tally` tells at any time how it stands."""

    def __init__(self, directory: Path, numbers: Numbers, say: Say, *, seed: int, seconds: float | None = None) -> None:
        self.tally = Tally()
        self._directory, self._numbers, self._say = directory, numbers, say
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._seconds = seconds
        self._began = time.monotonic()

    async def whole(self) -> Tally:
        async with AsyncExitStack() as stack:
            on = await stack.enter_async_context(installation(self._directory, self._numbers))
            http = await stack.enter_async_context(aiohttp.ClientSession(timeout=PATIENCE))
            people = await arrived(on, self._numbers, self.tally, http, self._chance)
            stack.push_async_callback(people.go)
            self._began = time.monotonic()
            self._tell(f"{len(people.users)} users, each at two of {len(on.nodes)} nodes")
            await self._hurt(on, people)
            self.tally.seconds = time.monotonic() - self._began
            self._tell("all have said what they had to say; waiting for the replies")
            await people.are_answered(self._numbers.settles_within)
            self._tell("looking at every log and every device")
            await prove(on, people, self.tally)
        return self.tally

    async def _hurt(self, on: Installation, people: People) -> None:
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(people.talk(done), name="people talk")
            try:
                await people.are_served(self._numbers.heals_within)
                for name in self._schedule():
                    await self._one(name, on, people)
                    await asyncio.sleep(self._numbers.calm)
            finally:
                done.set()

    async def _one(self, name: str, on: Installation, people: People) -> None:
        hurt = Hurt(name, time.monotonic() - self._began)
        self.tally.hurts.append(hurt)
        self._tell(name)
        await FAULTS[name](Aim(on.mongo, on.valkey, on.nodes[people.somewhere(self._chance)], self._numbers))
        hurt.healed = await people.are_served(self._numbers.heals_within)
        self._tell(
            f"  all are served {hurt.healed:.1f} s after it was over; the longest wait was {hurt.silence:.1f} s {hurt.told}"
        )

    def _schedule(self) -> Iterator[str]:
        """Each fault once, then all of them in another order, until the time is over."""
        yield from FAULTS
        while self._seconds is not None and time.monotonic() < self._began + self._seconds:
            order = list(FAULTS)
            self._chance.shuffle(order)
            for name in order:
                if time.monotonic() >= self._began + self._seconds:
                    return
                yield name

    def _tell(self, text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self._say(f"{minutes:02}:{seconds:02}  {self.tally.acked:>8,} acknowledged  {text}")
