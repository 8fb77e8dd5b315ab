"""The least a message can cost on this loop: an asyncio.Queue and one consumer, in CPU microseconds a message."""

import asyncio
import json
import time

import uvloop

TELLS, TOGETHER = 100_000, 200


class Consumer:
    count = 0

    async def run(self, queue: asyncio.Queue[str]) -> None:
        while True:
            await queue.get()
            self.count += 1


async def main() -> None:
    queue: asyncio.Queue[str] = asyncio.Queue(256)
    consumer = Consumer()
    task = asyncio.create_task(consumer.run(queue), name="consumer")
    counted = 0
    began = time.process_time()
    for _ in range(TELLS // TOGETHER):
        for _ in range(TOGETHER):
            queue.put_nowait("more")
        counted += TOGETHER
        while consumer.count < counted:  # noqa: ASYNC110  # telling us would be measured too
            await asyncio.sleep(0)
    print(json.dumps({"tell": (time.process_time() - began) / TELLS * 1e6}))
    task.cancel()


uvloop.run(main())
