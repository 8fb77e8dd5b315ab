"""A person's data as one ZIP, made from their log: sealed and kept piece by piece, never whole in memory."""

import csv
import io
import zipfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec

from actors.domain.addresses import session_address
from actors.domain.days import local_day
from actors.domain.goals import Goal
from actors.domain.jobs import ExportMade, ExportRemoved
from actors.events import MessageAdded, Recorded, recorded
from actors.jobs.worker import Progress
from actors.journal.journal import Journal, Outside
from actors.ports import Claimed, ExportFiles, LoginSessions, PresenceRows
from actors.session.state import State, apply, shown
from actors.session.views import message

FORMAT: Final = 1
"""Raised when a file of an export means something else than before."""
PIECE: Final = 1 << 20
PASSES: Final = 3
"""How often the log is read: for the events, and for the messages as JSON and as a table."""
GOAL_COLUMNS: Final = (
    "id",
    "parent_id",
    "kind",
    "title",
    "area",
    "status",
    "progress",
    "due",
    "created_at",
    "updated_at",
)
MESSAGE_COLUMNS: Final = ("created_at", "role", "text", "state", "id")
README: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Your LifeBuddy data</title>
<h1>Your LifeBuddy data</h1>
<p>Everything LifeBuddy knows of you when this was made. <code>manifest.json</code> lists the files with their hashes.</p>
<ul>
<li><b>profile.json</b>: who you are, your preferences and sums
<li><b>goals.csv</b>, <b>goals.jsonl</b>: your goals with all their parts
<li><b>messages.csv</b>, <b>messages.jsonl</b>: your conversation with the coach
<li><b>actions.jsonl</b>: what the coach did or proposed lately
<li><b>coach_notes.json</b>: the coach's own notes on older parts of the conversation
<li><b>signed_in_devices.jsonl</b>: where you are signed in
<li><b>presence.json</b>: when a device of yours was last connected
<li><b>events.jsonl</b>: all that ever happened, in order; most of the rest is made from it
</ul>
<p>JSON Lines files have one JSON object on each line. Tables open in any spreadsheet.</p></html>
"""

_json: Final = msgspec.json.Encoder()


class _Listed(msgspec.Struct, frozen=True):
    """A line of the manifest."""

    name: str
    count: int
    sha256: str


@dataclass
class _Device:
    """A signed-in device as its owner is told of it."""

    id: str
    device: str
    signed_in_at: Any
    last_used_at: Any


@dataclass
class Exporter:
    """What exports are made from, and where their pieces go."""

    outside: Outside
    logins: LoginSessions
    presences: PresenceRows
    files: ExportFiles

    async def make(self, claimed: Claimed, progress: Progress) -> ExportMade:
        """Raises Unavailable."""
        return await _Making(self, claimed, progress).run()

    async def remove(self, claimed: Claimed, _: Progress) -> ExportRemoved:
        """Raises Unavailable."""
        await self.files.remove(claimed.job.subject)
        return ExportRemoved()


class _Sink:
    """What the ZIP is written to: it takes bytes, and gives them out in pieces."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.size = 0
        self.digest = sha256()

    def write(self, chunk: bytes) -> int:
        self.waiting += chunk
        self.size += len(chunk)
        self.digest.update(chunk)
        return len(chunk)

    def flush(self) -> None:
        """Nothing is held back."""


@dataclass
class _Making:
    """One attempt."""

    by: Exporter
    claimed: Claimed
    progress: Progress
    sink: _Sink = field(default_factory=_Sink)
    parts: int = 0
    listed: list[_Listed] = field(default_factory=list)
    state: State = field(default_factory=State)
    seq: int = 0
    passed: int = 0

    async def run(self) -> ExportMade:
        job = self.claimed.job
        with zipfile.ZipFile(self.sink, "w", zipfile.ZIP_DEFLATED) as self.archive:  # type: ignore[call-overload]  # writes only
            await self._add("README.html", _one(README.encode()))
            await self._add("events.jsonl", self._events())
            await self._add("messages.jsonl", self._messages())
            await self._add("messages.csv", self._messages_table())
            await self._rest()
            manifest = {
                "format": FORMAT,
                "user_id": job.owner,
                "seq": self.seq,
                "made_at": self.by.outside.timers.now(),
            }
            await self._add("manifest.json", _one(_json.encode({**manifest, "files": self.listed})))
        await self._keep(0)
        return ExportMade(self.claimed.attempt, self.parts, self.sink.size, self.sink.digest.hexdigest())

    async def _rest(self) -> None:
        state, seen = self.state, self.by.outside.timers.now()
        profile = shown(state, local_day(seen, state.profile.tz if state.profile is not None else "UTC"))
        await self._add("profile.json", _one(_json.encode(profile)))
        await self._add("goals.jsonl", _many(state.goals.values()))
        await self._add("goals.csv", _table(GOAL_COLUMNS, map(_goal, state.goals.values())))
        await self._add("actions.jsonl", _many(state.actions.values()))
        await self._add("coach_notes.json", _one(_json.encode(state.summary)))
        owner = self.claimed.job.owner
        signed_in = await self.by.logins.list(owner)
        devices = [_Device(one.id, one.device, one.created_at, one.rotated_at) for one in signed_in]
        await self._add("signed_in_devices.jsonl", _many(devices))
        known = (await self.by.presences.get([owner])).get(owner)
        await self._add("presence.json", _one(_json.encode({"last_seen_at": known and known.seen_at})))

    async def _add(self, name: str, chunks: AsyncIterator[tuple[int, bytes]]) -> None:
        """A file of the ZIP; each chunk comes with how many things are in it."""
        count, digest = 0, sha256()
        with self.archive.open(name, "w", force_zip64=True) as entry:
            async for things, chunk in chunks:
                count += things
                digest.update(chunk)
                entry.write(chunk)
                await self._keep(PIECE)
        self.listed.append(_Listed(name, count, digest.hexdigest()))

    async def _keep(self, least: int) -> None:
        """What has come together, in pieces of at least so many bytes."""
        job, waiting = self.claimed.job, self.sink.waiting
        while waiting and len(waiting) >= least:
            await self.by.files.put(job.owner, job.subject, (self.claimed.attempt, self.parts), bytes(waiting[:PIECE]))
            del waiting[:PIECE]
            self.parts += 1

    async def _events(self) -> AsyncIterator[tuple[int, bytes]]:
        """All there are now; the state they lead to is kept for the rest."""
        async for happened in self._log():
            for one in happened:
                self.state = apply(self.state, one)
            yield len(happened), _lines(happened)

    async def _messages(self) -> AsyncIterator[tuple[int, bytes]]:
        async for happened in self._log():
            found = _said(happened)
            yield len(found), _lines(found)

    async def _messages_table(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 0, _rows([MESSAGE_COLUMNS])
        async for happened in self._log():
            found = _said(happened)
            yield len(found), _rows([_cells(one, MESSAGE_COLUMNS) for one in found])

    async def _log(self) -> AsyncIterator[Sequence[Recorded]]:
        """The log from its beginning, to where the first pass found its end."""
        address = session_address(self.claimed.job.owner)
        journal, seq, more = Journal(address, self.by.outside), 0, True
        while more and (self.passed == 0 or seq < self.seq):
            documents, more = await journal.page(seq + 1)
            happened = [
                recorded(address, one.seq, one.at, one.event)
                for document in documents
                for one in journal.happened(document)
                if self.passed == 0 or one.seq <= self.seq
            ]
            seq = documents[-1].last if documents else seq
            yield happened
            await self.progress(self.passed * 100 + (0 if more else 100), PASSES * 100)
        self.seq = self.seq if self.passed else seq
        self.passed += 1


def _said(happened: Sequence[Recorded]) -> list[Any]:
    return [message(one.data, one.seq, one.at) for one in happened if isinstance(one.data, MessageAdded)]


def _goal(goal: Goal) -> Sequence[Any]:
    return _cells(goal, GOAL_COLUMNS)


def _cells(thing: msgspec.Struct, columns: Sequence[str]) -> Sequence[Any]:
    """As a spreadsheet shows them; a text it would take for a formula is quoted (CWE-1236)."""
    whole: Mapping[str, Any] = msgspec.to_builtins(thing)
    return [_harmless(whole.get(name)) for name in columns]


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _rows(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _lines(things: Iterable[Any]) -> bytes:
    return b"".join(_json.encode(one) + b"\n" for one in things)


async def _one(whole: bytes) -> AsyncIterator[tuple[int, bytes]]:
    yield 1, whole


async def _many(things: Iterable[Any]) -> AsyncIterator[tuple[int, bytes]]:
    for one in things:
        yield 1, _lines([one])


async def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> AsyncIterator[tuple[int, bytes]]:
    yield 0, _rows([columns])
    for row in rows:
        yield 1, _rows([row])
