"""The users: each with two devices at different nodes, talking at both until it is over."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass

import aiohttp

from scripts.faults.device import DEFAULT, MSGPACK, Device
from scripts.faults.installation import NODES, Installation
from scripts.faults.numbers import Numbers
from scripts.faults.talk import Talk
from scripts.faults.tally import Tally

AT_ONCE = 8
LOOK = 0.1


@dataclass(frozen=True)
class User:
    id: str
    talks: tuple[Talk, ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(talk.device for talk in self.talks)

    @property
    def acked(self) -> int:
        """The seq of the newest command that was acknowledged to any device."""
        return max((talk.kept[-1].seq for talk in self.talks if talk.kept), default=0)

    def served_since(self, moment: float) -> bool:
        """Both devices had a command acknowledged that they sent after it, and have seen all that was acknowledged."""
        return all(device.served > moment and len(device.seen) >= self.acked for device in self.devices)

    def answered(self) -> bool:
        """Both devices have seen every reply that is owed, and as much as the other."""
        owed = {kept.reply_id for talk in self.talks for kept in talk.kept if kept.reply_id}
        first, second = self.devices
        return owed <= first.messages and owed <= second.messages and len(first.seen) == len(second.seen)


class People:
    def __init__(self, users: list[User], numbers: Numbers, tally: Tally) -> None:
        self.users = users
        self._numbers, self._tally = numbers, tally

    async def talk(self, done: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            for user in self.users:
                for talk in user.talks:
                    group.create_task(talk.go_on(done), name=f"talk of {talk.device.name}")

    def somewhere(self, chance: random.Random) -> int:
        """The number of a node, by chance: the likelier the more devices are there."""
        return chance.choice([device.at for user in self.users for device in user.devices])

    async def are_served(self, within: float) -> float:
        """The seconds until all were served again; whoever is not in time is a finding."""
        began = time.monotonic()
        while time.monotonic() < began + within:
            if all(user.served_since(began) for user in self.users):
                return time.monotonic() - began
            await asyncio.sleep(LOOK)
        late = [user for user in self.users if not user.served_since(began)]
        fault = self._tally.hurts[-1].name if self._tally.hurts else "nothing"
        told = "; ".join(
            f"{first.standing}, {other.standing} of {user.acked}" for user in late for first, other in [user.devices]
        )
        self._tally.found(f"{within:.0f} s after {fault}: {len(late)} users not served, or not up to date: {told}")
        return within

    async def are_answered(self, within: float) -> None:
        """Waits for the replies that are still owed; what is missing then will be found in the logs."""
        until = time.monotonic() + within
        while time.monotonic() < until and not all(user.answered() for user in self.users):  # noqa: ASYNC110 - devices hear of it
            await asyncio.sleep(LOOK)

    async def go(self) -> None:
        await asyncio.gather(*(device.go() for user in self.users for device in user.devices))


async def arrived(
    on: Installation, numbers: Numbers, tally: Tally, http: aiohttp.ClientSession, chance: random.Random
) -> People:
    """All of them registered and connected, the devices of each in different ways, at different nodes."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> User:
        email = f"{uuid.uuid4().hex}@example.org"
        urls = [node.url for node in on.nodes]
        phone, tablet = (
            Device(f"{name}-{number}", email, urls, (number + step) % NODES, kind, http, numbers, tally, restless)
            for step, (name, kind, restless) in enumerate(
                (("phone", DEFAULT, number % 2 == 0), ("tablet", MSGPACK, number % 4 < 2))
            )
        )
        phone.other, tablet.other = tablet, phone
        async with gate:
            user_id = await phone.register()
            await phone.come()
            await tablet.come()
        if phone.node == tablet.node:
            tally.found(f"user {number}: both devices are at one node")
        talks = tuple(Talk(device, random.Random(chance.random())) for device in (phone, tablet))  # noqa: S311 - no secret
        return User(user_id, talks)

    return People(list(await asyncio.gather(*(one(number) for number in range(numbers.users)))), numbers, tally)
