"""Makes the rows people query anew from the logs, one address after another, beside running nodes or without any.

Nothing is missing meanwhile: a row is replaced where it stands unless it is newer, and what the log never made goes
last. Cut short, it goes on where it was; half of the time it rests, so that people come first.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn
from rich.progress import Progress as ProgressBar

from actors.events import TYPES, UPCASTS, Recorded, recorded
from actors.journal.codec import Codec
from actors.journal.journal import Journal, Outside
from actors.journal.outside import Document
from actors.runtime.envelope import Unavailable
from actors.runtime.outside import Report
from scripts.embedded.replay import MANY, Replay, first_ids
from server import WallClock
from storage.mongo import schema
from storage.mongo.connect import Database, connected, kept
from storage.mongo.keys import MongoKeys
from storage.mongo.lanes import SCHEMA
from storage.mongo.log import MongoLog
from storage.mongo.positions import LAST, parse, position
from storage.mongo.projections import FAILURES, MongoProjections
from storage.sealing import MASTER, Sealing, Secrets, Unsealable

MARK: Final = "rebuild"
"""The document of `schema` that remembers how far an unfinished rebuild has come."""
TOGETHER: Final = 500
REST: Final = 1.0
"""Seconds of rest for each of work."""
HASHES: Final = 1 << 32

log = structlog.get_logger("rebuild")


@dataclass
class Progress:
    """`share` of the addresses is done, by their hashes; `strays` were rows no log had made."""

    share: float = 0.0
    addresses: int = 0
    events: int = 0
    strays: int = 0
    failed: list[str] = field(default_factory=list)


class Rebuild:
    """One pass over all logs."""

    def __init__(self, database: Database, outside: Outside) -> None:
        self._database = database
        self._outside = outside
        self.progress = Progress()

    async def run(self, tell: Callable[[Progress], None]) -> None:
        """All addresses from where an earlier pass was cut short. Raises the driver's errors when the database goes away."""
        marks = kept(self._database, SCHEMA)
        found = await marks.find_one({"_id": MARK})
        async for identifier in first_ids(self._database, "" if found is None else found["after"]):
            address, began = parse(identifier)[0], time.monotonic()
            try:
                await self._address(address)
            except (Unavailable, Unsealable):
                self.progress.failed.append(address)
            end = position(address, LAST)
            self.progress.addresses += 1
            self.progress.share = int(end[:8], 16) / HASHES
            await marks.update_one({"_id": MARK}, {"$set": {"after": end}}, upsert=True)
            tell(self.progress)
            await asyncio.sleep((time.monotonic() - began) * REST)
        await marks.delete_one({"_id": MARK})
        self.progress.share = 1.0
        tell(self.progress)

    async def _address(self, address: str) -> None:
        """Replay the log and write each page's rows as the state then has them; the head says last that all are there."""
        await kept(self._database, FAILURES).delete_many({"a": address})
        journal, replay = Journal(address, self._outside), Replay(address)
        made: dict[str, set[str]] = {name: set() for name in MANY}
        more = True
        while more:
            documents, more = await journal.page(replay.seq + 1)
            happened = [one for document in documents for one in _recorded(journal, document)]
            replay.take(happened)
            found = replay.rows(happened)
            for row in found:
                made.setdefault(row.collection, set()).add(row.id)
            await self._outside.projections.write(address, found, replay.head(0))
        await self._outside.projections.write(address, [], replay.head(replay.seq))
        for name in MANY:
            await self._remove_strays(name, address, replay.seq, made[name])
        self.progress.events += replay.seq

    async def _remove_strays(self, name: str, address: str, seq: int, made: set[str]) -> None:
        """A row as old as what was replayed and not of it comes from no log."""
        collection, own = kept(self._database, name), {"a": address, "seq": {"$lte": seq}}
        strays = [row["_id"] async for row in collection.find(own, {"_id": 1}) if row["_id"] not in made]
        for first in range(0, len(strays), TOGETHER):
            await collection.delete_many({**own, "_id": {"$in": strays[first : first + TOGETHER]}})
        self.progress.strays += len(strays)


def _recorded(journal: Journal, document: Document) -> list[Recorded]:
    return [recorded(journal.address, one.seq, one.at, one.event) for one in journal.happened(document)]


class _Nowhere:
    """A placement for who owns no address: it only reads logs."""

    def valid(self) -> bool:
        return False

    async def claim(self, _: str) -> None:
        raise Unavailable

    async def holds(self, _: str) -> bool:
        return False

    async def release(self, _: str) -> None:
        """Nothing was claimed."""


@asynccontextmanager
async def rebuilding(
    mongo_url: str, database: str, keys: Mapping[int, bytes], report: Report
) -> AsyncIterator[Rebuild]:
    """Raises what the driver does when the server does not answer, and TooNew for its schema."""
    async with connected(mongo_url, database=database) as opened:
        await schema.prepare(opened)
        sealing, secrets = Sealing(MongoKeys(opened), keys), Secrets(keys[MASTER])
        documents = MongoLog(opened, sealing, report=report)
        async with MongoProjections(opened, sealing, report=report, replaces="$lte") as rows:
            codec = Codec(TYPES, UPCASTS)
            outside = Outside(documents, rows, _Nowhere(), WallClock(), codec, secrets.digest, report)
            yield Rebuild(opened, outside)


async def rebuild(mongo_url: str, database: str, keys: Mapping[int, bytes], console: Console) -> int:
    """One pass, told to the console as it goes; answers the exit code."""
    bar = ProgressBar("[progress.description]{task.description}", BarColumn(), TaskProgressColumn(), console=console)
    async with rebuilding(mongo_url, database, keys, _report) as work:
        with bar:
            task = bar.add_task("rows made anew from the logs", total=1.0)
            await work.run(lambda progress: bar.update(task, completed=progress.share))
    done = work.progress
    console.print(f"{done.addresses} addresses, {done.events} events, {done.strays} rows removed that no log had made")
    if done.failed:
        console.print(f"[red]could not be read, see above:[/] {', '.join(done.failed)}; run it again")
    return int(bool(done.failed))


def _report(event: str, fields: dict[str, Any]) -> None:
    log.error(event, **fields)
