"""Rows `chat.send` and `chat.alone`: from a message to its ack, beside stock python-socketio with one insert."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from scripts.benchmarks.measure import cpu_seconds, take_turns
from scripts.benchmarks.people import register, silent_model
from scripts.benchmarks.programs import Load, load, node, stock
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.embedded.child import Child

USERS = 500
LONE_USERS, LONE_MESSAGES = 3, 24  # each round
OWED = 28  # a session takes 32 messages while no model answers
AFTERWARDS = 0.3  # seconds in which what follows an ack is still counted
AGAINST = "python-socketio as shipped, one insert_one"


@dataclass
class Side:
    child: Child
    load: Load
    sent: int = 0
    lone: int = USERS

    async def burst(self, each: int) -> float:
        """CPU microseconds of the server a message, everybody at once."""
        before = cpu_seconds(self.child.pid)
        told = await self.load.order("burst", what="chat.send", each=each, users=[0, USERS])
        await asyncio.sleep(AFTERWARDS)
        return float((cpu_seconds(self.child.pid) - before) / told["sent"] * 1e6)

    async def alone(self) -> float:
        """Milliseconds from a message to its ack, the median; each user of the round for the first time."""
        users = [self.lone, self.lone + LONE_USERS]
        self.lone += LONE_USERS
        await self.load.order("alone", what="chat.send", each=1, users=users)
        told = await self.load.order("alone", what="chat.send", each=LONE_MESSAGES, users=users)
        return float(told["p50"] * 1e3)


@asynccontextmanager
async def both(setting: Setting, users: int) -> AsyncIterator[dict[str, Side]]:
    """Our node and the baseline, each a process of its own with its own load; all users have said their first word."""
    stack = await setting.stack()
    async with AsyncExitStack() as opened:
        silent = await opened.enter_async_context(silent_model())
        variables = {**await setting.node_variables("node"), **silent, "LIFEBUDDY_LIMITS_SCALE": "1000000"}
        ours = await opened.enter_async_context(node(setting.directory / "node.log", variables))
        theirs = await opened.enter_async_context(
            stock(setting.directory / "stock.log", stack.variables["LIFEBUDDY_MONGO_URL"])
        )
        sides: dict[str, Side] = {}
        for name, (child, url) in {"ours": ours, "stock": theirs}.items():
            tokens = await register(url, users) if name == "ours" else [str(number) for number in range(users)]
            sides[name] = Side(child, await opened.enter_async_context(load()))
            await sides[name].load.order("connect", url=url, tokens=tokens)
        yield sides


async def chat(setting: Setting) -> Sequence[Row]:
    async with both(setting, USERS + LONE_USERS * setting.rounds) as sides:
        for side in sides.values():
            await side.burst(1)
        each = OWED // setting.rounds
        crowd = await take_turns(setting.rounds, {name: partial(side.burst, each) for name, side in sides.items()})
        alone = await take_turns(setting.rounds, {name: side.alone for name, side in sides.items()})
    what = f"to ack, {USERS} users in flight (CPU of the node)"
    return [
        Row("chat.send", what, "µs", Budget(0.5), crowd["ours"], crowd["stock"], AGAINST, "limits raised by settings"),
        Row("chat.send", "to ack, one user alone (time)", "ms", Budget(3), alone["ours"], alone["stock"], AGAINST),
    ]
