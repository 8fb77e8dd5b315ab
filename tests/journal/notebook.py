"""A journaled actor small enough to see everything: a notebook, some of whose notes owe an errand."""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from actors.journal.codec import Codec
from actors.journal.journal import Happened, Outside
from actors.journal.journaled import Accepted, Decided, Journaled, Order, Stamp
from actors.journal.outside import Row
from actors.runtime.actor import ChildEnded
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from tests.runtime.memory import Clock, MemoryLog, MemoryPlacement, MemoryRows, Node


class Write(msgspec.Struct, frozen=True):
    """Write the text down `times` over; an errand is run afterwards."""

    text: str
    times: int = 1
    errand: bool = False


class Look(msgspec.Struct, frozen=True):
    """A command that changes nothing."""


class Tick(msgspec.Struct, frozen=True):
    """An errand has been run."""

    note: str


class Noted(msgspec.Struct, frozen=True):
    type: ClassVar[str] = "noted"
    version: ClassVar[int] = 1
    id: str
    text: str
    errand: bool = False


class Ticked(msgspec.Struct, frozen=True):
    type: ClassVar[str] = "ticked"
    version: ClassVar[int] = 1
    id: str


class Notes(msgspec.Struct, frozen=True):
    texts: tuple[str, ...] = ()
    owed: dict[str, datetime] = {}


class Page(msgspec.Struct, frozen=True):
    """The row of a notebook: all of it."""

    texts: tuple[str, ...]


class Full(Refused):
    code = "full"


CODEC = Codec({"noted": Noted, "ticked": Ticked}, {})


class Notebook(Journaled[Notes]):
    fold_version: ClassVar[int] = 1
    state_type: ClassVar[type[Any]] = Notes

    def __init__(self, address: str, outside: Outside) -> None:
        super().__init__(address, outside)
        self.shown: list[int] = []
        self.stamps: list[datetime] = []
        self.errands: list[str] = []
        self.projected: list[list[int]] = []

    def initial(self) -> Notes:
        return Notes()

    def fold(self, state: Notes, happened: Happened) -> Notes:
        event = happened.event
        if isinstance(event, Ticked):
            return Notes(state.texts, {note: since for note, since in state.owed.items() if note != event.id})
        if event.text == "unfoldable":
            raise KeyError(event.text)
        return Notes((*state.texts, event.text), state.owed | ({event.id: happened.at} if event.errand else {}))

    def decide(self, order: Order, stamp: Stamp) -> Decided:
        self.stamps.append(stamp.at)
        match order.command:
            case Tick(note):
                return Decided([Ticked(note)], None)
            case Write(text, times, errand):
                if text == "refused" or (text == "second" and not self.state.texts):
                    raise Full
                events = [Noted(stamp.new_id(), text, errand) for _ in range(times)]
                return Decided(events, {"first": stamp.seq, "before": len(self.state.texts)})
        return Decided([], {"texts": len(self.state.texts)})

    def rows(self, happened: Sequence[Happened]) -> Sequence[Row]:
        self.projected.append([one.seq for one in happened])
        if any(getattr(one.event, "text", "") == "no row" for one in happened):
            raise KeyError("no row")
        return [Row("pages", self.address, happened[-1].seq, Page(self.state.texts))]

    def owed(self) -> Mapping[str, datetime]:
        return self.state.owed

    def settle(self) -> None:
        for note in self.state.owed:
            if note not in self.children:
                self.children.spawn(note, asyncio.sleep(10, note))

    def published(self, happened: Sequence[Happened]) -> None:
        if any(getattr(one.event, "text", "") == "unpublishable" for one in happened):
            raise KeyError("unpublishable")
        self.shown += [one.seq for one in happened]

    async def answer(self, message: Any) -> Any:
        if isinstance(message, ChildEnded):
            self.errands.append(message.name)
            return await self.accept(Order("me", derived(message.name, "tick"), Tick(message.name)))
        return list(self.state.texts)


class Desk:
    """One log, and as many nodes on it as a test opens."""

    def __init__(self, **settings: Any) -> None:
        self.log = MemoryLog()
        self.rows = MemoryRows(self.log)
        self.clock = Clock()
        self.settings = {"settle_within": 3.0, "settle_pause": 0.1, **settings}

    def node(self, actor: type[Notebook] = Notebook, placement: MemoryPlacement | None = None) -> Node:
        placement = placement or MemoryPlacement()

        def make(address: str) -> Notebook:
            return actor(address, self.outside(node))

        node = Node(make, placement=placement)
        return node

    def outside(self, node: Node) -> Outside:
        return Outside(self.log, self.rows, node.placement, self.clock, CODEC, digest, node.reports, **self.settings)

    def pages(self) -> tuple[str, ...]:
        """The texts people see."""
        row = self.rows.rows["pages", "a"].document
        assert isinstance(row, Page)
        return row.texts


def digest(raw: bytes) -> bytes:
    return hmac.digest(b"key", raw, "sha256")


async def write(node: Node, cid: str, text: str = "", *, timeout: float = 20, **given: Any) -> Accepted:  # noqa: ASYNC109 - the actor's
    accepted: Accepted = await node.ask(Order("ann", cid, Write(text or cid, **given)), timeout=timeout)
    return accepted
