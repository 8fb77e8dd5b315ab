"""An ask from one node to another and its answer, over the mesh, in CPU microseconds of both nodes. Argument: Redis's URL."""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

from actors.commands import SendMessage
from actors.journal.journaled import Accepted, Order
from actors.runtime.envelope import Envelope
from actors.runtime.ref import Ref
from storage.redis.connect import connected
from transport.mesh.redis import mesh

ASKS, WINDOW = 12_000, 64
USER = "01a206b8-d7b6-79e2-b89f-1fa13f882762"
KEY = b"k" * 32
ORDER = Order(USER, "0d4dbf0c-53a4-4a3c-8d5c-6e6c2a3a6b11", SendMessage(text="x" * 60))
ANSWER = Accepted(7, {"message_id": USER, "reply_id": USER})


async def window(ask: Callable[[], Awaitable[object]]) -> float:
    """So many asks, never more than 64 at once; CPU microseconds each."""
    left = itertools.count()

    async def one_after_another() -> None:
        while next(left) < ASKS:
            await ask()

    began = time.process_time()
    await asyncio.gather(*(one_after_another() for _ in range(WINDOW)))
    return (time.process_time() - began) / ASKS * 1e6


def answer(_: str, envelope: Envelope) -> None:
    envelope.answer(ANSWER)


async def main(url: str) -> None:
    async with (
        connected(url, lambda *_: None) as redis,
        connected(url, lambda *_: None) as other,
        mesh(redis, "one", KEY, lambda *_: None) as one,
        mesh(other, "two", KEY, lambda *_: None) as two,
    ):
        two.arrived = answer
        address = f"session:{USER}"
        ref = Ref(address, lambda envelope: one.send("two", address, envelope))
        print(json.dumps({"ask": await window(lambda: ref.ask(ORDER, timeout=10))}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
