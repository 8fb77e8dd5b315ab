"""Rows `socket`, `fan-out`, `idle` and `crowd`: what a connection costs, beside python-socketio and Node's own server."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benchmarks.measure import Contender, cpu_seconds, resident_bytes, take_turns
from scripts.benchmarks.people import silent_model
from scripts.benchmarks.programs import Load, echo, load, node
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.venv import ROOT, ProgramFailedError, figures, output
from scripts.embedded.binaries import ProgramMissingError
from scripts.embedded.child import Child
from scripts.embedded.node import node_command

STOCK = "python-socketio as shipped"
CROWDS = (500, 2000)
PEOPLE = 500
DEVICES = 30
FANNED = 20
SAID, GOALS = 50, 20
AFTERWARDS = 0.3  # seconds in which what follows an ack is still counted
SETTLED = 3.0  # seconds until memory is looked at
PACE, PACED = 500, 10_000  # commands a second, and in all
STOCK_ECHO = (sys.executable, "-m", "scripts.benchmarks.contenders.stock_echo")
NODE_ECHO = ROOT / "scripts/benchmarks/node_echo"


@dataclass
class Side:
    child: Child
    load: Load
    url: str

    async def command(self, what: str, each: int, first: int, last: int) -> float:
        """CPU microseconds of the server a command, of these connections all at once."""
        before = cpu_seconds(self.child.pid)
        told = await self.load.order("burst", what=what, each=each, users=[first, last])
        await asyncio.sleep(AFTERWARDS)
        return float((cpu_seconds(self.child.pid) - before) / told["sent"] * 1e6)

    async def fan_out(self) -> float:
        """CPU microseconds a delivery: a command seen by 30 devices, less one seen by its sender alone."""
        alone = await self.command("goal.create", 10, 0, FANNED)
        together = await self.command("goal.create", 10, FANNED, 2 * FANNED)
        return (together - alone) / (DEVICES - 1)


@asynccontextmanager
async def ours(setting: Setting, name: str, people: int, said: int = 0, goals: int = 0) -> AsyncIterator[Any]:
    """Our node with so many people in its storage: `(side, tokens)`; nobody is connected yet."""
    variables = {**await setting.node_variables(name), "LIFEBUDDY_LIMITS_SCALE": "1000000"}
    crowd = (sys.executable, "-m", "scripts.benchmarks.contenders.crowd", str(people), str(said), str(goals))
    tokens: list[str] = (await figures(*crowd, environment=variables))["tokens"]
    async with (
        silent_model() as silent,
        node(setting.directory / f"{name}.log", variables | silent) as (child, url),
        load() as playing,
    ):
        yield Side(child, playing, url), tokens


@asynccontextmanager
async def theirs(setting: Setting, name: str, *argv: str | Path) -> AsyncIterator[Side]:
    async with echo(setting.directory / f"{name}.log", *argv) as (child, url), load() as playing:
        yield Side(child, playing, url)


async def node_echo(setting: Setting) -> tuple[str | Path, ...] | None:
    """How to start the server in Node; None where Node or its package cannot be had."""
    folder = setting.keep / "node_echo"
    shutil.copytree(NODE_ECHO, folder, dirs_exist_ok=True)
    try:
        if not (folder / "node_modules").exists():  # nothing else runs yet
            await output(*node_command("npm"), "ci", "--silent", "--prefix", folder)
        return (*node_command(), folder / "server.mjs")
    except (ProgramMissingError, ProgramFailedError):
        return None


async def socket(setting: Setting) -> Sequence[Row]:
    """A command and its ack, nothing stored, with few and with many connections."""
    in_node = await node_echo(setting)
    rows: list[Row] = []
    for crowd in CROWDS:
        async with AsyncExitStack() as opened:
            enter = opened.enter_async_context
            mine, tokens = await enter(ours(setting, f"sockets-{crowd}", PEOPLE))
            sides = {"ours": mine, "stock": await enter(theirs(setting, f"stock-{crowd}", *STOCK_ECHO))}
            if in_node:
                sides["node"] = await enter(theirs(setting, f"node-{crowd}", *in_node))
            for side in sides.values():
                await side.load.order("connect", url=side.url, tokens=tokens * (crowd // PEOPLE))
                await side.command("sync", 2, 0, crowd)
            each = 8000 // crowd
            asking = {name: partial(side.command, "sync", each, 0, crowd) for name, side in sides.items()}
            rows += _beside(crowd, await take_turns(setting.rounds, asking))
    return rows


def _beside(crowd: int, took: dict[str, list[float]]) -> Sequence[Row]:
    what = f"command to ack, nothing stored, {crowd} connections (CPU)"
    rows = [Row("socket", what, "µs", Budget(0.35), took["ours"], took["stock"], STOCK)]
    if "node" in took:
        rows.append(Row("socket", what, "µs", Budget(1.3), took["ours"], took["node"], "Node's socket.io 4"))
    return rows


async def fan_out(setting: Setting) -> Sequence[Row]:
    async with (
        ours(setting, "fanning", 2 * FANNED) as (mine, tokens),
        theirs(setting, "fanning-stock", *STOCK_ECHO) as stock,
    ):
        contenders: dict[str, Contender] = {}
        for name, side in {"ours": mine, "stock": stock}.items():
            everybody = tokens + tokens[FANNED:] * (DEVICES - 1)
            await side.load.order("connect", url=side.url, tokens=everybody)
            await side.fan_out()
            contenders[name] = side.fan_out
        took = await take_turns(setting.rounds, contenders)
    what = f"one more of {DEVICES} devices sees an event (CPU a delivery)"
    return [Row("fan-out", what, "µs", Budget(0.15), took["ours"], took["stock"], f"{STOCK}: emit to a room")]


async def idle(setting: Setting) -> Sequence[Row]:
    """Each round a new node and a new server: memory that was given back is not always seen to be."""
    grown: dict[str, list[float]] = {"ours": [], "stock": []}
    for number in range(min(3, setting.rounds)):
        async with ours(setting, f"idle-{number}", PEOPLE, SAID, GOALS) as (mine, tokens):
            grown["ours"].append(await _grown(mine, tokens))
        async with theirs(setting, f"idle-stock-{number}", *STOCK_ECHO) as stock:
            grown["stock"].append(await _grown(stock, tokens))
    what = f"user: socket, session with {SAID} messages and {GOALS} goals (RSS)"
    against = "a connection alone, as shipped, deflate offered"
    return [Row("idle", what, "kB", Budget(0.5), grown["ours"], grown["stock"], against)]


async def _grown(side: Side, tokens: list[str]) -> float:
    """Kilobytes a connection, once some are there: what the first ones load is not theirs."""
    begun = len(tokens) // 10
    await side.load.order("connect", url=side.url, tokens=tokens[:begun], deflate=True)
    await asyncio.sleep(SETTLED)
    before = resident_bytes(side.child.pid)
    await side.load.order("connect", url=side.url, tokens=tokens[begun:], deflate=True)
    await asyncio.sleep(SETTLED)
    return (resident_bytes(side.child.pid) - before) / (len(tokens) - begun) / 1000


async def crowd(setting: Setting) -> Sequence[Row]:
    """10,000 users on one node beside 500: what a stored command costs, how long the slowest wait, what they weigh."""
    costs: dict[int, float] = {}
    notes = []
    for people in (PEOPLE, 10_000):
        async with ours(setting, f"crowd-{people}", people) as (side, tokens):
            await side.load.order("connect", url=side.url, tokens=tokens)
            before = cpu_seconds(side.child.pid)
            each = PACED // people
            told = await side.load.order("paced", what="goal.create", each=each, users=[0, people], rate=PACE)
            costs[people] = (cpu_seconds(side.child.pid) - before) / told["sent"] * 1e6
            weight = resident_bytes(side.child.pid) / 1e6
            notes.append(f"{people} users: p99 of ack {told['p99'] * 1e3:.0f} ms, {weight:.0f} MB")
    what = f"10,000 users on one node, {PACE} goals made a second (CPU)"
    return [Row("crowd", what, "µs", Budget(1.6), [costs[10_000]], [costs[PEOPLE]], "500 users", "; ".join(notes))]
