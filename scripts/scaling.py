"""The arithmetic of docs/scaling.md: `python -m scripts.scaling` writes its tables anew, `--check` says whether they are.

Whoever changes a figure changes it here; what follows from it follows in all tables.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TARGET: Final = Path(__file__).parents[1] / "docs" / "scaling.md"
SIZES: Final = (1, 1_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
DAY: Final = 86_400


@dataclass(frozen=True)
class Figure:
    """`source`: how it was measured, or `assumed` with the reason."""

    value: float
    unit: str
    what: str
    source: str


FOOTPRINT: Final = "`python -m scripts.footprint`"
BENCH: Final = "`scripts/bench`, 2 shared cores"
MEASURED: Final = {
    "message_bytes": Figure(2705, "B", "documents that a message and its reply leave, log and rows", FOOTPRINT),
    "change_bytes": Figure(1439, "B", "documents that a goal leaves, log and row", FOOTPRINT),
    "person_bytes": Figure(2492, "B", "documents of an account, with its first device", FOOTPRINT),
    "message_writes": Figure(6, "", "MongoDB writes for a message and its reply", FOOTPRINT),
    "change_writes": Figure(4, "", "MongoDB writes for a goal", FOOTPRINT),
    "connect_calls": Figure(6.9, "", "Redis calls to register, connect and wake the session", FOOTPRINT),
    "awake_bytes": Figure(1536, "B", "Redis memory of somebody who just came", FOOTPRINT),
    "node_calls": Figure(1.7, "/s", "Redis calls of a node that does nothing: lease, heartbeat of the mesh", FOOTPRINT),
    "node_reads": Figure(2.5, "/s", "MongoDB queries of a node that does nothing: the clock", FOOTPRINT),
    "command_cpu": Figure(590, "µs", "CPU of a node for a message to its acknowledgement, stored and projected", BENCH),
    "socket_cpu": Figure(97, "µs", "CPU of a node for a command that stores nothing, 2,000 connections", BENCH),
    "wake_ms": Figure(32, "ms", "to wake a session with a log of 2,000 events", BENCH),
    "hop_cpu": Figure(
        311, "µs", "CPU for a question to another node, both nodes and Redis, when they are few", "prototype"
    ),
    "renewal_cpu": Figure(43, "µs", "CPU for a device renewed with others, both nodes and Redis", "prototype"),
    "log_rate": Figure(62_000, "/s", "appends to the log in groups, 2 cores beside a mongod 6", "prototype"),
    "hash_rate": Figure(30, "/s", "passwords checked on two cores", "prototype"),
}
ASSUMED: Final = {
    "daily": Figure(0.20, "", "of all users come on a day", "usual for habit apps"),
    "connected": Figure(0.04, "", "of all users are connected at the peak", "a fifth of those of the day"),
    "messages": Figure(12, "/day", "messages of somebody who comes", "a conversation in the morning and one at night"),
    "changes": Figure(3, "/day", "goals and steps they note themselves", "the rest the coach notes"),
    "visits": Figure(4, "/day", "times they open the app", "as above"),
    "peak": Figure(3, "times", "the busiest hour over the mean", "one region's evening; more regions flatten it"),
    "remote": Figure(
        0.30, "", "of devices are at another node than their session", "second devices, and moves at roll-outs"
    ),
    "renewal": Figure(10, "s", "between two renewals of a device", "`transport/sockets/limits.py`"),
    "together": Figure(500, "", "devices renewed at another node with one question", "`transport/sockets/upkeep.py`"),
    "sockets_per_node": Figure(8_000, "", "devices at a node", "what the autoscaler aims at; it takes 20,000"),
    "reply_cpu": Figure(
        1200, "µs", "CPU of a node for the reply: its deltas, and its own command", "twice a message's"
    ),
    "busy": Figure(0.6, "", "of a core in use at the peak", "the autoscaler's 65 %"),
    "copies": Figure(3, "", "members of each replica set", "a majority survives one"),
    "indexes": Figure(1.25, "times", "documents with their indexes", "the log has one index"),
    "shard_bytes": Figure(4e12, "B", "on a member's disk", "a backup and a new member take hours, not days"),
    "shard_writes": Figure(10_000, "/s", "writes of a shard", "a sixth of what the log alone took beside one mongod"),
    "redis_calls": Figure(50_000, "/s", "calls of a Redis primary", "half of what one core usually does"),
    "gateway_sockets": Figure(
        25_000, "", "devices at a gateway", "100,000 descriptors, two for each, half of them spare"
    ),
    "prompt": Figure(3_500, "", "tokens read for a reply", "a context of 3,000 and the tools"),
}


def _m(name: str) -> float:
    return MEASURED[name].value


def _a(name: str) -> float:
    return ASSUMED[name].value


@dataclass(frozen=True)
class Load:
    """What so many registered users are at the peak."""

    users: int

    @property
    def sockets(self) -> float:
        return self.users * _a("connected")

    @property
    def messages(self) -> float:
        """A second."""
        return self.users * _a("daily") * _a("messages") * _a("peak") / DAY

    @property
    def changes(self) -> float:
        return self.users * _a("daily") * _a("changes") * _a("peak") / DAY

    @property
    def visits(self) -> float:
        return self.users * _a("daily") * _a("visits") * _a("peak") / DAY

    @property
    def cores(self) -> float:
        """Of nodes, before head room."""
        talk = self.messages * (_m("command_cpu") + _a("reply_cpu")) + self.changes * _m("command_cpu")
        asked = _a("remote") * (self.messages + self.changes)
        return (talk + asked * _m("hop_cpu") + self.renewals * _m("renewal_cpu")) / 1e6

    @property
    def renewals(self) -> float:
        """Devices a second that are renewed at another node."""
        return _a("remote") * self.sockets / _a("renewal")

    @property
    def batches(self) -> float:
        """A second: what one node renews at another goes there as one, as long as it is not too large."""
        nodes = _up(self.sockets / _a("sockets_per_node"))
        return min(self.renewals, self.renewals / _a("together") + nodes * (nodes - 1) / _a("renewal"))

    @property
    def hops(self) -> float:
        """Questions to another node a second: commands of devices that are not with their session, and renewals."""
        return _a("remote") * (self.messages + self.changes) + self.batches

    @property
    def nodes(self) -> int:
        """Three at least; one more than are needed, to be lost."""
        return max(3, _up(self.sockets / _a("sockets_per_node")) + 1, _up(self.cores / _a("busy")) + 1)

    @property
    def redis(self) -> float:
        """Calls a second; a question over the mesh is two publications."""
        return self.visits * _m("connect_calls") + 2 * self.hops + self.nodes * _m("node_calls")

    @property
    def redis_bytes(self) -> float:
        return self.sockets * _m("awake_bytes")

    @property
    def writes(self) -> float:
        return self.messages * _m("message_writes") + self.changes * _m("change_writes")

    @property
    def yearly(self) -> float:
        """Bytes on the disk of one member, a year."""
        daily = _a("daily") * (_a("messages") * _m("message_bytes") + _a("changes") * _m("change_bytes"))
        return self.users * _a("indexes") * (daily * 365 + _m("person_bytes"))

    @property
    def shards(self) -> int:
        """After a year."""
        return max(1, _up(self.writes / _a("shard_writes")), _up(self.yearly / _a("shard_bytes")))

    @property
    def tokens(self) -> float:
        """Read by models in a day."""
        return self.users * _a("daily") * _a("messages") * _a("prompt")


Column = tuple[str, Callable[[Load], float], str]
COLUMNS: Final[Sequence[Column]] = (
    ("devices connected", lambda load: load.sockets, ""),
    ("messages /s", lambda load: load.messages, ""),
    ("nodes", lambda load: load.nodes, ""),
    ("gateways", lambda load: max(2, _up(load.sockets / _a("gateway_sockets"))), ""),
    ("mesh /s", lambda load: load.hops, ""),
    ("Redis calls /s", lambda load: load.redis, ""),
    ("Redis primaries", lambda load: max(1, _up(load.redis / _a("redis_calls"))), ""),
    ("Redis memory", lambda load: load.redis_bytes, "B"),
    ("MongoDB writes /s", lambda load: load.writes, ""),
    ("MongoDB a year, one copy", lambda load: load.yearly, "B"),
    ("the same, all copies", lambda load: load.yearly * _a("copies"), "B"),
    ("MongoDB shards after a year", lambda load: load.shards, ""),
    ("tokens read a day", lambda load: load.tokens, ""),
)
SINGLE: Final = 128
"""Nodes that the gateway has places for (`deploy/balancer/haproxy.cfg`)."""
BREAKS: Final[Sequence[tuple[str, Callable[[Load], bool], str]]] = (
    (
        "three nodes are no longer enough for the devices of the peak",
        lambda load: load.nodes > 3,
        "nothing: the autoscaler adds nodes",
    ),
    (
        "one MongoDB member's disk is full within a year",
        lambda load: load.yearly > _a("shard_bytes"),
        "shards, by `_id` of the log and of the rows (untried), before the disk is half full",
    ),
    (
        "two gateways have too many devices",
        lambda load: load.sockets > 2 * _a("gateway_sockets"),
        "more gateways behind the same address; they share nothing",
    ),
    (
        "the model reads ten billion tokens a day",
        lambda load: load.tokens > 1e10,
        "a model of one's own behind `OPENAI_BASE_URL`, a smaller context, a prefix cache: this is the largest bill",
    ),
    (
        "one Redis primary has too many calls: people who come, and renewals from every node to every other",
        lambda load: load.redis > _a("redis_calls"),
        "Redis Cluster, over whose shards placement and channels spread by themselves",
    ),
    (
        "one shard has too many writes",
        lambda load: load.writes > _a("shard_writes"),
        "more shards; by then the disk has asked for them",
    ),
    (
        "the gateway has no places left for nodes",
        lambda load: load.nodes > SINGLE,
        "cells: several whole installations, a user belonging to one by a hash of the id; more places only put it off",
    ),
)


def _up(number: float) -> int:
    return -int(-number // 1)


def _said(number: float, unit: str = "") -> str:
    """Two digits that count, and a word for the size."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            number, unit = number / size, letter + unit
            break
    if unit.endswith("B") or number < 100:
        text = f"{number:.2g}" if number < 10 else f"{number:.0f}"
    else:
        text = f"{number:.0f}"
    return f"{text} {unit}".strip()


def first(breaks: Callable[[Load], bool]) -> int:
    """The smallest number of users at which it does."""
    low, high = 1, 10**9
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if breaks(Load(middle)) else (middle + 1, high)
    return low


def _figures(figures: dict[str, Figure], how: str) -> str:
    rows = [f"| {one.what} | {_plainly(one)} | {one.source} |" for one in figures.values()]
    return "\n".join([f"| what | figure | {how} |", "|---|---|---|", *rows])


def _plainly(figure: Figure) -> str:
    return _said(figure.value, "B") if figure.value > 1e6 else f"{figure.value:,g} {figure.unit}".strip()


def _arithmetic() -> str:
    loads = [Load(users) for users in SIZES]
    rows = [
        f"| {name} | " + " | ".join(_said(read(load), unit) for load in loads) + " |" for name, read, unit in COLUMNS
    ]
    head = "| users | " + " | ".join(_said(users) for users in SIZES) + " |"
    return "\n".join([head, "|---" * (len(SIZES) + 1) + "|", *rows])


def _breaks() -> str:
    ordered = sorted((first(breaks), what, then) for what, breaks, then in BREAKS)
    rows = [f"| {_said(users)} | {what} | {then} |" for users, what, then in ordered]
    return "\n".join(["| users | what breaks | what to do then |", "|---|---|---|", *rows])


TABLES: Final = {
    "measured": lambda: _figures(MEASURED, "measured by"),
    "assumed": lambda: _figures(ASSUMED, "why"),
    "arithmetic": _arithmetic,
    "breaks": _breaks,
}


def written(text: str) -> str:
    """The text with all tables as they follow from the figures."""
    for name, table in TABLES.items():
        between = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text = re.sub(between, lambda found, table=table: f"{found[1]}{table()}\n{found[2]}", text, flags=re.DOTALL)  # type: ignore[misc]  # a default binds the loop's
    return text


def main() -> int:
    current = TARGET.read_text()
    if "--check" not in sys.argv:
        TARGET.write_text(written(current))
    elif current != written(current):
        print("docs/scaling.md is out of date: run `.venv/bin/python -m scripts.scaling`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
