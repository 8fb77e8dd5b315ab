"""The least an ask to another node can cost over redis-py: batches published and listened to, futures, the same bytes.

Nothing is signed, bounded or timed, and bodies are ready-made. Argument: Redis's URL.
"""

import asyncio
import itertools
import json
import sys
from typing import Any

import msgspec
import uvloop
from redis.asyncio import Redis

from scripts.benchmarks.contenders.mesh_asks import window

QUESTION, ANSWER = b"q" * 260, b"a" * 110
"""As large as those of the mesh."""

encode, decode = msgspec.msgpack.encode, msgspec.msgpack.decode


class Side:
    def __init__(self, redis: Redis, listens: str, tells: str) -> None:
        self.asked: dict[int, asyncio.Future[bytes]] = {}
        self.subscribed = asyncio.Event()
        self._redis, self._listens, self._tells = redis, listens, tells
        self._waiting: list[tuple[int, bytes]] = []
        self._called = asyncio.Event()

    def put(self, number: int, body: bytes) -> None:
        self._waiting.append((number, body))
        self._called.set()

    def take(self, number: int, body: bytes) -> None:
        """An answer to what was asked here, else a question."""
        asked = self.asked.pop(number, None)
        if asked is None:
            self.put(number, ANSWER)
        else:
            asked.set_result(body)

    async def flush(self) -> None:
        while True:
            await self._called.wait()
            self._called.clear()
            while self._waiting:
                together, self._waiting = self._waiting, []
                await self._redis.publish(self._tells, encode(together))

    async def listen(self) -> None:
        async with self._redis.pubsub() as listening:
            await listening.subscribe(self._listens)
            self.subscribed.set()
            async for message in listening.listen():
                if message["type"] == "message":
                    for number, body in decode(message["data"]):
                        self.take(number, body)


async def main(url: str) -> None:
    async with Redis.from_url(url) as redis, Redis.from_url(url) as other:
        one, two = Side(redis, "one", "two"), Side(other, "two", "one")
        work: list[Any] = [one.flush(), two.flush(), one.listen(), two.listen()]
        tasks = [asyncio.create_task(each, name="bare") for each in work]
        await asyncio.gather(one.subscribed.wait(), two.subscribed.wait())
        numbers = itertools.count()

        async def ask() -> bytes:
            number = next(numbers)
            answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            one.asked[number] = answered
            one.put(number, QUESTION)
            return await answered

        print(json.dumps({"ask": await window(ask)}))
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
