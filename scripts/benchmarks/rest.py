"""Row `rest`: one goal read over HTTP, beside an aiohttp handler with one `find_one`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from scripts.benchmarks.measure import cpu_seconds, take_turns
from scripts.benchmarks.people import register
from scripts.benchmarks.programs import echo, node
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.embedded.child import Child

AT_ONCE, READS = 16, 4000
GOAL = {"title": "Run 10 km", "due": "2027-06-30", "metric": {"unit": "km", "target": 10, "current": 4}}


@dataclass
class Side:
    child: Child
    http: aiohttp.ClientSession
    path: str

    async def read(self, times: int = READS) -> float:
        """CPU microseconds of the server a read."""
        before = cpu_seconds(self.child.pid)
        await asyncio.gather(*(self._one_after_another(times // AT_ONCE) for _ in range(AT_ONCE)))
        return (cpu_seconds(self.child.pid) - before) / times * 1e6

    async def _one_after_another(self, times: int) -> None:
        for _ in range(times):
            async with self.http.get(self.path) as response:
                await response.read()
                response.raise_for_status()


@asynccontextmanager
async def both(setting: Setting) -> AsyncIterator[dict[str, Side]]:
    stack = await setting.stack()
    mongo_url = stack.variables["LIFEBUDDY_MONGO_URL"]
    bare = (sys.executable, "-m", "scripts.benchmarks.contenders.bare_rest", mongo_url, "bare_rest")
    async with AsyncExitStack() as opened:
        variables = {**await setting.node_variables("rest"), "LIFEBUDDY_LIMITS_SCALE": "1000000"}
        ours, url = await opened.enter_async_context(node(setting.directory / "rest.log", variables))
        theirs, bare_url = await opened.enter_async_context(echo(setting.directory / "bare.log", *bare))
        bearer = {"Authorization": f"Bearer {(await register(url, 1))[0]}"}
        mine = await opened.enter_async_context(aiohttp.ClientSession(url, headers=bearer))
        async with mine.post("/v1/goals", json=GOAL) as response:
            response.raise_for_status()
            goal = (await response.json())["goal"]
        plain = await opened.enter_async_context(aiohttp.ClientSession(bare_url))
        yield {"ours": Side(ours, mine, f"/v1/goals/{goal['id']}"), "bare": Side(theirs, plain, "/v1/goals/g1")}


async def rest(setting: Setting) -> Sequence[Row]:
    async with both(setting) as sides:
        for side in sides.values():
            await side.read(READS // 10)
        took = await take_turns(setting.rounds, {name: side.read for name, side in sides.items()})
    what = "GET one goal: signed in, unsealed, with its ETag (CPU)"
    return [Row("rest", what, "µs", Budget(0.7, "rate"), took["ours"], took["bare"], "aiohttp with one find_one")]
