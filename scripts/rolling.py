"""A rolling restart under load: `python -m scripts.rolling [--nodes N] [--people N] [--rounds N]`.

Stock clients in their default configuration, one command a second each, while every node is replaced. Prints how long
commands took from their first attempt, how fast sockets were back, and whether every acknowledged command is in its
log, exactly once; exits 1 when not.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import socketio
import typer

from config.settings import variable, without_settings
from scripts.embedded.child import Child
from scripts.embedded.mongo import mongod
from scripts.embedded.ports import held_port
from scripts.embedded.valkey import valkey_server

SERVER = Path(__file__).parents[1] / "server.py"
PASSWORD = "a long sentence is best"  # noqa: S105 - of people who do not exist
ANSWER, PACE, TRY_AGAIN = 8.0, 1.0, 0.25
READY_WITHIN, ROLLED_WITHIN = 60.0, 180.0
BACK_WITHIN = 4.0
"""Seconds at p99."""


@dataclass
class Person:
    """One device of one user. `acks` are the answers by title; `away` the seconds from each loss to being back, `took`
    those of each command from its first attempt to its ack.
    """

    url: str
    tokens: dict[str, Any] = field(default_factory=dict)
    acks: dict[str, int] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)
    away: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    lost_at: float | None = None

    def __post_init__(self) -> None:
        self.io = socketio.AsyncClient()
        self.io.on("session.ready", self._ready)
        self.io.on("event", self._event)
        self.io.on("disconnect", self._lost)
        self._gone = asyncio.Event()

    async def come(self, http: aiohttp.ClientSession) -> None:
        """Registers and connects; a node that does not hold the session yet is not the last one tried."""
        body = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD, "name": "Ann"}
        async with http.post(f"{self.url}/v1/auth/register", json=body) as response:
            self.tokens = await response.json()
        await self._connect()

    async def talk(self, done: asyncio.Event) -> None:
        while not done.is_set():
            title = f"goal {uuid.uuid4().hex}"
            began = time.monotonic()
            ack = await self.surely("goal.create", {"cid": str(uuid.uuid4()), "title": title})
            self.took.append(time.monotonic() - began)
            self.acks[title] = ack["seq"]
            await asyncio.sleep(PACE * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    async def surely(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """With the same cid until it is acknowledged."""
        async with asyncio.timeout(ROLLED_WITHIN):
            while True:
                ack = await self.ask(name, body)
                if ack.get("ok"):
                    return ack
                code = ack["error"]["code"]
                self.refusals[code] = self.refusals.get(code, 0) + 1
                await asyncio.sleep(TRY_AGAIN)

    async def ask(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Its ack; nobody waits for one of a connection that is gone."""
        call = asyncio.create_task(self.io.call(name, body, timeout=ANSWER), name="call")
        gone = asyncio.create_task(self._gone.wait(), name="gone")
        await asyncio.wait({call, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in (call, gone):
            task.cancel()
        with suppress(socketio.exceptions.SocketIOError, OSError, asyncio.CancelledError):
            return dict(await call)
        return {"ok": False, "error": {"code": "away"}}

    async def problems(self) -> list[str]:
        """What of all that was acknowledged is not in the log once, at its place; and whether the log and the device have gaps."""
        log: list[dict[str, Any]] = []
        while True:
            page = await self.surely("sync", {"since": len(log), "limit": 500})
            log += page["events"]
            if not page["more"]:
                break
        at = [(event["data"]["goal"]["title"], event["seq"]) for event in log if event["type"] == "goal.created"]
        lost = [title for title, seq in self.acks.items() if at.count((title, seq)) != 1]
        twice = len(at) - len({title for title, _ in at})
        gaps = [event["seq"] for event in log] != list(range(1, len(log) + 1))
        unseen = self.seen != list(range(self.seen[0], self.seen[0] + len(self.seen))) if self.seen else False
        found = {"lost": len(lost), "twice": twice, "gap in the log": gaps, "gap at the device": unseen}
        return [f"{name}: {count}" for name, count in found.items() if count]

    async def _connect(self) -> None:
        async with asyncio.timeout(READY_WITHIN):
            while not self.io.connected:
                with suppress(socketio.exceptions.ConnectionError):
                    await self.io.connect(self.url, auth=self._auth)

    def _auth(self) -> dict[str, Any]:
        since = {"since": self.seen[-1]} if self.seen else {}
        return {"token": self.tokens["access_token"], "device_id": "phone", **since}

    async def _ready(self, _: Any) -> None:
        self._gone.clear()
        if self.lost_at is not None:
            self.away.append(time.monotonic() - self.lost_at)
            self.lost_at = None

    async def _event(self, event: dict[str, Any]) -> None:
        self.seen.append(event["seq"])

    async def _lost(self, _: Any) -> None:
        self._gone.set()
        self.lost_at = self.lost_at or time.monotonic()


@dataclass
class Outcome:
    acknowledged: int
    took: list[float]
    away: list[float]
    refusals: dict[str, int]
    problems: list[str]

    def quantile(self, share: float) -> float:
        return quantile(self.away, share)


def quantile(figures: list[float], share: float) -> float:
    """Of no figures: 0."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Nodes(Child):
    """`server.py --nodes N` with a log that is watched."""

    def __init__(self, directory: Path, port: int, nodes: int, variables: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        own = {variable("port"): str(port), variable("data"): str(directory), variable("profile"): "test"}
        unlimited = {variable("limits_scale"): "1000000", variable("log_format"): "json"}
        argv = [sys.executable, str(SERVER), "--nodes", str(nodes)]
        super().__init__("nodes", argv, directory / "nodes.log", without_settings() | own | unlimited | variables)

    async def said(self, what: str, count: int, within: float) -> None:
        async def so() -> bool:
            return self.log is not None and self.log.read_text(errors="replace").count(what) >= count

        await self.until(so, within)


async def roll(server: Nodes, people: int, rounds: int) -> Outcome:
    """All of them talk while every node is replaced, so many times."""
    async with aiohttp.ClientSession() as http:
        crowd = [Person(server.url) for _ in range(people)]
        await asyncio.gather(*(person.come(http) for person in crowd))
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for person in crowd:
                group.create_task(person.talk(done), name="talk")
            await asyncio.sleep(2 * PACE)
            for turn in range(rounds):
                os.kill(server.pid, signal.SIGHUP)
                await server.said('"supervisor.rolled"', turn + 1, ROLLED_WITHIN)
            await asyncio.sleep(BACK_WITHIN + 2 * PACE)
            done.set()
        problems = [problem for found in await asyncio.gather(*(one.problems() for one in crowd)) for problem in found]
        await asyncio.gather(*(person.io.disconnect() for person in crowd))
        refusals: dict[str, int] = {}
        for person in crowd:
            refusals |= {code: refusals.get(code, 0) + count for code, count in person.refusals.items()}
        acknowledged = sum(len(person.acks) for person in crowd)
        took = [seconds for person in crowd for seconds in person.took]
        away = [seconds for person in crowd for seconds in person.away]
        return Outcome(acknowledged, took, away, refusals, problems)


async def measured(nodes: int, people: int, rounds: int) -> Outcome:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rolling-")))
        mongo = await stack.enter_async_context(mongod(directory / "mongo", throwaway=True))
        valkey = await stack.enter_async_context(valkey_server(directory / "valkey", throwaway=True))
        (directory / "nodes").mkdir()
        urls = {variable("mongo_url"): mongo.url, variable("redis_url"): valkey.url}
        server = Nodes(directory / "nodes", stack.enter_context(held_port()), nodes, urls)
        server.start()
        stack.push_async_callback(server.stop, 40.0)
        await server.said("ready http", 1, READY_WITHIN)
        return await roll(server, people, rounds)


def main(
    nodes: Annotated[int, typer.Option(help="Nodes behind the port.")] = 3,
    people: Annotated[int, typer.Option(help="Users with one connected device each.")] = 200,
    rounds: Annotated[int, typer.Option(help="Rolling restarts, one after the other.")] = 3,
) -> None:
    """Exit code 1 when something acknowledged is not there, or sockets were away for too long."""
    outcome = asyncio.run(measured(nodes, people, rounds))
    p50, p99 = outcome.quantile(0.5), outcome.quantile(0.99)
    print(f"{outcome.acknowledged} commands acknowledged; refusals met and retried: {outcome.refusals or 'none'}")
    slowest, slow = max(outcome.took, default=0.0), quantile(outcome.took, 0.99)
    print(f"from the first attempt to the ack: p99 {slow:.2f} s, slowest {slowest:.2f} s")
    print(f"{len(outcome.away)} times a socket was away: median {p50:.2f} s, p99 {p99:.2f} s (at most {BACK_WITHIN})")
    print("\n".join(outcome.problems) or "each is in its log once; logs and devices have no gaps")
    raise typer.Exit(1 if outcome.problems or p99 > BACK_WITHIN else 0)


if __name__ == "__main__":
    typer.run(main)
