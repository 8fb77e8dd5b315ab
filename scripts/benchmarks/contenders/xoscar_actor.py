"""xoscar's actor: ask and answer in one process, in CPU microseconds a message. Runs in the benches' own venv."""

import json
import time

import uvloop
import xoscar  # type: ignore[import-not-found, unused-ignore]  # only in the benches' own venv

ASKS = 5_000


class Counter(xoscar.Actor):  # type: ignore[misc, unused-ignore]  # as above
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    async def more(self) -> int:
        self.count += 1
        return self.count


async def main() -> None:
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=0)
    async with pool:
        ref = await xoscar.create_actor(Counter, address=pool.external_address, uid="counter")
        await ref.more()
        began = time.process_time()
        for _ in range(ASKS):
            await ref.more()
        print(json.dumps({"ask": (time.process_time() - began) / ASKS * 1e6}))


if __name__ == "__main__":
    uvloop.run(main())
