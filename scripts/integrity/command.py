"""`scripts/doctor --integrity`: is what is kept whole, and is what people see what the logs say?"""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from actors.runtime.envelope import Unavailable
from scripts.integrity.findings import CODES, Counts, Finding
from scripts.integrity.places import told_by_the_pass
from scripts.integrity.whole import Integrity
from storage.mongo import schema
from storage.mongo.connect import connected
from storage.mongo.keys import MongoKeys
from storage.redis.connect import connected as redis_connected
from storage.redis.shards import UNREACHABLE, Shards
from storage.sealing import Sealing, Unsealable, WrappedKey


class KeysAsTheyAre(MongoKeys):
    """For who only looks: a key that is missing is missing, and none is made."""

    async def add(self, key: WrappedKey) -> bool:
        raise Unsealable(f"{key.owner} has no key")


class Telling:
    """Findings as they come, and the counts at the end: for people, or one JSON object a line for programs."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self._console, self._as_json = console, as_json

    def finding(self, finding: Finding) -> None:
        if self._as_json:
            self._print(msgspec.to_builtins(finding))
            return
        place = f" {finding.position}" if finding.position else ""
        where = f" {finding.where}" if finding.where else ""
        self._console.print(f"[red]{finding.code}[/] {escape(finding.address + place + where)}")

    def counts(self, counts: Counts) -> None:
        if self._as_json:
            self._print(asdict(counts) | {"codes": dict(counts.codes)})
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for name in ("addresses", "documents", "events", "rows", "snapshots"):
            table.add_row(name, f"{getattr(counts, name):,}")
        table.add_row(
            "placements", "not looked at: no Redis answers" if counts.placements is None else f"{counts.placements:,}"
        )
        table.add_row("looked at again", f"{counts.again:,}")
        for code, count in sorted(counts.codes.items()):
            table.add_row(f"[red]{code}[/]", f"[red]{count:,}[/]  {CODES[code]}")
        self._console.print(table)
        self._console.print("[red]findings, see above[/]" if counts.codes else "[green]all of it is whole[/]")

    def _print(self, line: object) -> None:
        self._console.print(json.dumps(line), markup=False, highlight=False, soft_wrap=True)


class Stores(msgspec.Struct, frozen=True):
    """Where everything is kept, and the keys that open it."""

    mongo_url: str
    database: str
    keys: Mapping[int, bytes]
    redis_url: str | None


@asynccontextmanager
async def opened(stores: Stores, tell: Callable[[Finding], None]) -> AsyncIterator[Integrity]:
    """Raises what the driver does when MongoDB does not answer, and TooNew for its schema. Redis may be away."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connected(stores.mongo_url, database=stores.database))
        await schema.refuse_newer(database)
        redis: Shards | None = None
        if stores.redis_url is not None:
            with suppress(*UNREACHABLE):
                redis = await stack.enter_async_context(redis_connected(stores.redis_url, told_by_the_pass))
        yield Integrity(database, Sealing(KeysAsTheyAre(database), stores.keys), redis, tell)


async def integrity(stores: Stores, names: Sequence[str], console: Console, *, as_json: bool) -> int:
    """One pass, told as it goes; answers the exit code: 1 with findings, or when it was cut short."""
    telling, beside = Telling(console, as_json=as_json), Console(stderr=True)
    columns = TextColumn("addresses looked at"), BarColumn(), TaskProgressColumn()
    try:
        async with opened(stores, telling.finding) as work:
            with Progress(*columns, console=beside if as_json else console, transient=True) as bar:
                task = bar.add_task("", total=1.0)
                await work.run(names, lambda counts: bar.update(task, completed=counts.share))
    except (Unavailable, schema.TooNew, *UNREACHABLE) as problem:
        beside.print(f"[red]cut short:[/] {type(problem).__name__}; run it again")
        return 1
    telling.counts(work.counts)
    return int(bool(work.counts.codes))
