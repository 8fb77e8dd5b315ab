"""Our actor: tell and handle, ask and answer, in CPU microseconds a message."""

import asyncio
import json
import time
from typing import Any

import uvloop

from actors.runtime.actor import Actor
from actors.runtime.system import System

TELLS, TOGETHER, ASKS = 100_000, 200, 20_000


class Counter(Actor):
    count = 0

    async def receive(self, message: Any) -> int:
        del message
        self.count += 1
        return self.count


class Here:
    """A placement of one process."""

    def valid(self) -> bool:
        return True

    async def claim(self, address: str) -> None: ...

    async def holds(self, address: str) -> bool:
        del address
        return True

    async def release(self, address: str) -> None: ...


def report(event: str, fields: dict[str, Any]) -> None:
    raise RuntimeError(event, fields)


async def main() -> None:
    made: list[Counter] = []

    def make(address: str) -> Counter:
        made.append(Counter(address))
        return made[-1]

    async with System(make, placement=Here(), report=report) as system:
        ref = system.ref("counter")
        counted = await ref.ask("first", timeout=5)
        began = time.process_time()
        for _ in range(TELLS // TOGETHER):
            for _ in range(TOGETHER):
                ref.tell("more")
            counted += TOGETHER
            while made[0].count < counted:  # noqa: ASYNC110  # telling us would be measured too
                await asyncio.sleep(0)
        told = time.process_time()
        for _ in range(ASKS):
            await ref.ask("more", timeout=5)
        asked = time.process_time()
    print(json.dumps({"tell": (told - began) / TELLS * 1e6, "ask": (asked - told) / ASKS * 1e6}))


uvloop.run(main())
