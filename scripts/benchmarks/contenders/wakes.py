"""A retired session wakes: beside one `find_one` and one tail read of the same documents, in the same process.

Reads the settings of the server from its environment; argument: the number of rounds. Prints milliseconds a wake.
"""

import asyncio
import json
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta

import uvloop

from actors.commands import ChangeProfile, Command, OpenAccount
from actors.domain.addresses import session_address
from actors.domain.goals import Goal
from actors.events import TYPES, UPCASTS, Event, GoalCreated, MessageAdded
from actors.journal.codec import Codec
from actors.journal.journaled import Order
from actors.journal.outside import Document
from actors.questions import Shown, ShowProfile
from actors.runtime.ids import uuid7
from config.settings import Settings, read_settings
from scripts.benchmarks.measure import Contender, median, take_turns
from server import open_storage, run_inside
from storage.mongo import queries
from storage.mongo.connect import kept
from storage.opened import Storage

LONG, TAIL, GOALS = 2000, 188, 20
OLD = 200  # events at most since the snapshot
WAKES = 25
SAID = "I walked to work today instead of taking the bus, and it felt good. What could I try next week? "
ANSWERED = "That is a real step. What made it feel good? Two walks next week would keep it alive, with room for rest. "


def goals(at: datetime) -> list[Event]:
    made = (Goal(id=uuid7(at), title=f"Goal {number}", created_at=at, updated_at=at) for number in range(GOALS))
    return [GoalCreated(goal) for goal in made]


def turns(user_id: str, at: datetime, count: int) -> list[Event]:
    """That many messages and replies."""
    made: list[Event] = []
    for _ in range(count):
        message, reply = uuid7(at), uuid7(at)
        made.append(MessageAdded(message, "user", user_id, SAID, reply_id=reply))
        made.append(MessageAdded(reply, "coach", "coach", ANSWERED, answered_by="bench", reply_to=message))
    return made


async def lengthen(storage: Storage, user_id: str, after: int, events: list[Event]) -> None:
    """Writes to the log as the session would have, one event a document, only faster."""
    codec, address, at = Codec(TYPES, UPCASTS), session_address(user_id), datetime.now(UTC).replace(microsecond=0)
    documents = [
        Document(
            address=address,
            s=s,
            n=1,
            by=user_id,
            cid=uuid7(at),
            digest=b"bench",
            w=f"bench/{s}",
            at=at + timedelta(seconds=1, milliseconds=s),
            body=codec.pack([event], {"seq": s}),
        )
        for s, event in enumerate(events, start=after + 1)
    ]
    inserted = await asyncio.gather(*(storage.log.insert(document) for document in documents))
    if not all(inserted):
        raise RuntimeError("the log was not written as it should be")


RESTED = 1.5
"""Seconds: half as much again as a session waits before it makes sure of rows."""


async def command(settings: Settings, storage: Storage, user_id: str, asked: Command) -> None:
    """One command to the session, which then retires."""
    async with run_inside(settings, storage) as inside:
        ref = inside.directory.session(user_id)
        accepted = await ref.ask(Order(user_id, uuid7(datetime.now(UTC)), asked), timeout=20)
        while accepted.seq > settings.snapshot_every and await storage.log.snapshot(ref.address) is None:  # noqa: ASYNC110  # its writer tells nobody
            await asyncio.sleep(0.05)


async def prepare(settings: Settings, storage: Storage, user_id: str) -> None:
    """A log of 2,000 events: an account, goals and turns, a command that brings a snapshot with it, the tail after it."""
    await command(settings, storage, user_id, OpenAccount(user_id, "pat@bench.example", "Pat"))
    at = datetime.now(UTC)
    await lengthen(storage, user_id, 1, goals(at) + turns(user_id, at, (LONG - TAIL - GOALS - 2) // 2))
    await command(settings, storage, user_id, ChangeProfile(name="Patricia"))
    await lengthen(storage, user_id, LONG - TAIL, turns(user_id, at, TAIL // 2))


async def rest(settings: Settings, storage: Storage, user_id: str) -> None:
    """As a session leaves it that retired by itself: rows of a log made by hand are written, and its head says so."""
    for _ in range(2):
        async with run_inside(settings, storage) as inside:
            await inside.directory.session(user_id).ask(ShowProfile(), timeout=20)
            await asyncio.sleep(RESTED)


async def wake(settings: Settings, storage: Storage, user_id: str) -> float:
    async with run_inside(settings, storage) as inside:
        ref = inside.directory.session(user_id)
        began = time.perf_counter()
        shown: Shown = await ref.ask(ShowProfile(), timeout=20)
        took = time.perf_counter() - began
    if shown.seq != LONG:
        raise RuntimeError(f"woke at {shown.seq}")
    return took


async def read(storage: Storage, user_id: str) -> float:
    """The least a wake can cost: the two reads, of the same documents, and nothing done with them."""
    address = session_address(user_id)
    snapshots, log = kept(storage.database, "snapshots"), kept(storage.database, "event_log")
    began = time.perf_counter()
    snapshot = await snapshots.find_one(queries.by_id("snapshots", address).filter) or {"seq": 0}
    found = await queries.documents_after(address, snapshot["seq"]).find(log, 500).to_list()
    took = time.perf_counter() - began
    if not TAIL <= len(found) <= OLD:
        raise RuntimeError(f"the snapshot stands at {snapshot['seq']}, with a tail of {len(found)}")
    return took


async def main(rounds: int) -> None:
    settings = read_settings()
    user_id = str(uuid.uuid4())
    async with open_storage(settings) as storage:
        await prepare(settings, storage, user_id)
        await rest(settings, storage, user_id)
        contenders = {"ours": lambda: wake(settings, storage, user_id), "reads": lambda: read(storage, user_id)}
        print(json.dumps(await take_turns(rounds, {name: median_of(once) for name, once in contenders.items()})))


def median_of(once: Contender) -> Contender:
    """Milliseconds, the median of several."""

    async def several() -> float:
        return median([await once() for _ in range(WAKES)]) * 1e3

    return several


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
