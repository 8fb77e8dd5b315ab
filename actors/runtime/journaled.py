"""An actor whose state is a fold over its own log: decide → fold → append → adopt → project."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from actors.runtime.actor import Actor, ChildEnded
from actors.runtime.cids import Cids, Packed
from actors.runtime.codec import TooNew
from actors.runtime.envelope import CidConflict, Overloaded, Refused, Unavailable
from actors.runtime.ids import uuid7
from actors.runtime.journal import Happened, Journal, Outside, Taken, Unsettled
from actors.runtime.outside import MAX_BODY, MAX_EVENTS, Document, Head, Row, Snapshot

S = TypeVar("S")
DECIDE_AGAIN = 3
EARLIEST = datetime.fromtimestamp(0, UTC)
_PROJECT, _SNAPSHOT = "project", "snapshot"
_ENCODER = msgspec.msgpack.Encoder()


class Order(msgspec.Struct, frozen=True):
    """A command with its author and the author's cid: the same cid again has no second effect."""

    by: str
    cid: str
    command: Any


class Accepted(msgspec.Struct, frozen=True):
    """A command is in the log; `seq` is the head it left. `repeated`: it had been accepted before."""

    seq: int
    answer: Any
    repeated: bool = False


class Stamp(msgspec.Struct, frozen=True):
    """What a pure decision needs from the world: the time, the seq its first event gets, and fresh ids."""

    at: datetime
    seq: int
    new_id: Callable[[], str]


class Decided(msgspec.Struct, frozen=True):
    """What a command leads to: its events, and the answer its author gets (and gets again for the same cid)."""

    events: Sequence[Any]
    answer: Any


class TooMuch(Refused):
    code = "too_large"
    message = "This would change more at once than can be kept together."


class _Kept(msgspec.Struct, frozen=True):
    at: datetime
    cids: Packed
    state: msgspec.Raw


_KEPT = msgspec.msgpack.Decoder(_Kept)


class Journaled(Actor, Generic[S]):
    """The only writer of its log, as long as the log itself agrees: the unique position is the fence."""

    fold_version: ClassVar[int]
    state_type: ClassVar[type[Any]]
    journal_type: ClassVar[type[Journal]] = Journal

    def __init__(self, address: str, outside: Outside) -> None:
        super().__init__(address)
        self.outside = outside
        self.journal = self.journal_type(address, outside)
        self.state: S = self.initial()
        self.seq = 0
        self._at = EARLIEST
        self._cids = Cids()
        self._w = os.urandom(8).hex()
        self._writes = 0
        self._kept_at = 0
        self._unprojected: list[Happened] = []

    # What a subclass says about itself; none of these may await.

    def initial(self) -> S:
        """The state before the first event."""
        raise NotImplementedError

    def fold(self, state: S, happened: Happened) -> S:
        """The state after an event. What it cannot fold is never committed."""
        raise NotImplementedError

    def decide(self, order: Order, stamp: Stamp) -> Decided:
        """What a command leads to in `self.state`. Raises Refused."""
        raise NotImplementedError

    def rows(self, happened: Sequence[Happened]) -> Sequence[Row]:
        """The whole rows these events touched, as `self.state` has them now."""
        raise NotImplementedError

    def owed(self) -> Mapping[str, datetime]:
        """What must follow from what is committed, and since when."""
        raise NotImplementedError

    def settle(self) -> None:
        """Begin what is owed and not begun: called after every commit and on every wake."""
        raise NotImplementedError

    def published(self, happened: Sequence[Happened]) -> None:
        """Events are committed and projected: devices may see them."""
        raise NotImplementedError

    async def answer(self, message: Any) -> Any:
        """Any message that is not an Order."""
        raise NotImplementedError

    # The five steps.

    async def started(self) -> None:
        """Wake: snapshot, tail, rows that were left behind, and whatever is owed."""
        with self._too_new():
            await self._wake()
        await self._project([])
        self.settle()

    async def receive(self, message: Any) -> Any:
        match message:
            case Order():
                return await self.accept(message)
            case ChildEnded(name=name) if name == _PROJECT:
                return await self._project([])
            case ChildEnded(name=name, error=error) if name == _SNAPSHOT:
                self._kept_at = self._kept_at if error is None else 0
                return None
        return await self.answer(message)

    async def accept(self, order: Order) -> Accepted:
        """One command, from decision to answer. After the append it is never refused."""
        self.outside.log.check()
        await self._serve_only_what_is_ours()
        digest = self.outside.digest(_ENCODER.encode((type(order.command).__name__, order.command)))
        for _ in range(1 + DECIDE_AGAIN):
            known = await self._known(order, digest)
            if known is not None:
                return known
            decided, document, happened, state = self._decide(order, digest)
            if document is None:
                return Accepted(self.seq, decided.answer)
            try:
                await self.journal.append(document)
            except Taken:
                await self._catch_up()
                continue
            except Unsettled:
                self.stop(Unavailable(retry_after_ms=500))
                raise
            self._adopt(document, state)
            await self._project(happened)
            self._keep()
            self.published(happened)
            self.settle()
            return Accepted(self.seq, decided.answer)
        self.stop(Unavailable(retry_after_ms=1000))
        raise Unavailable(retry_after_ms=1000)

    async def _serve_only_what_is_ours(self) -> None:
        """A lapsed lease means: look the placement up. Without Redis what is held goes on; the log is the fence."""
        if self.outside.placement.valid():
            return
        try:
            held = await self.outside.placement.holds(self.address)
        except Unavailable:
            return
        if not held:
            self.stop(Unavailable(retry_after_ms=250))
            raise Unavailable(retry_after_ms=250)

    async def _known(self, order: Order, digest: bytes) -> Accepted | None:
        """The first answer, when this author's cid was accepted before. Raises CidConflict for another request."""
        s = self._cids.find(order.by, order.cid)
        if s is not None:
            document = await self.outside.log.at(self.address, s)
        elif self._cids.may_be_older(order.cid):
            document = await self.outside.log.find(self.address, order.by, order.cid)
        else:
            return None
        if document is None:
            if s is None:
                return None
            raise Unavailable(effect="unknown", retry_after_ms=500)
        if document.digest != digest:
            raise CidConflict
        return Accepted(document.last, self.outside.codec.answer(document.body), repeated=True)

    def _decide(self, order: Order, digest: bytes) -> tuple[Decided, Document | None, list[Happened], S]:
        at = max(_milliseconds(self.outside.timers.now()), self._at + timedelta(milliseconds=1))
        decided = self.decide(order, Stamp(at, self.seq + 1, partial(uuid7, at)))
        happened = [Happened(self.seq + 1 + i, at, event) for i, event in enumerate(decided.events)]
        if not happened:
            return decided, None, happened, self.state
        state = self.state
        for one in happened:
            state = self.fold(state, one)
        body = self.outside.codec.pack(decided.events, decided.answer)
        if len(happened) > MAX_EVENTS or len(body) > MAX_BODY:
            raise TooMuch
        self._writes += 1
        w, s, n = f"{self._w}/{self._writes}", self.seq + 1, len(happened)
        return decided, Document(self.address, s, n, order.by, order.cid, digest, w, at, body), happened, state

    async def _catch_up(self) -> None:
        """After a conflict: the holder still, by placement's word, folds the tail in; anybody else stops."""
        why = Unavailable(retry_after_ms=250)
        try:
            held = await self.outside.placement.holds(self.address)
            if held:
                with self._too_new():
                    await self._fold_tail(self.seq)
                return
        except Unavailable as error:
            why = error
        self.stop(why)
        raise why

    def _adopt(self, document: Document, state: S) -> None:
        self.state = state
        self.seq, self._at = document.last, document.at
        self._cids.add(document.by, document.cid, document.s)

    async def _project(self, happened: Sequence[Happened]) -> None:
        """Write the rows. Out of reach: the command stands all the same, its rows follow."""
        self._unprojected += happened
        if not self._unprojected:
            return
        head = Head(self.address, self.seq, min(self.owed().values(), default=None))
        try:
            await self.outside.projections.write(self.address, self.rows(self._unprojected), head)
        except (Overloaded, Unavailable):
            if _PROJECT not in self.children:
                self.children.spawn(_PROJECT, asyncio.sleep(self.outside.project_pause))
        else:
            self._unprojected = []

    def _keep(self) -> None:
        """Every so many events the whole state is remembered, so that waking stays short."""
        if self.seq - self._kept_at < self.outside.snapshot_every or _SNAPSHOT in self.children:
            return
        self._kept_at = self.seq
        body = _ENCODER.encode(_Kept(self._at, self._cids.pack(), msgspec.Raw(_ENCODER.encode(self.state))))
        kept = Snapshot(self.address, self.seq, self.fold_version, body)
        self.children.spawn(_SNAPSHOT, self.outside.log.keep(kept))

    # Waking and reading.

    async def _wake(self) -> None:
        snapshot, head = await asyncio.gather(
            self.outside.log.snapshot(self.address), self.outside.log.head(self.address)
        )
        if snapshot is not None and snapshot.fold_version == self.fold_version:
            self._restore(snapshot)
        projected = head.seq if head is not None else 0
        if projected < self.seq:
            self._unprojected = await self.journal.read(projected, self.seq - projected)
        await self._fold_tail(self.seq, projected=projected)

    def _restore(self, snapshot: Snapshot) -> None:
        kept = _KEPT.decode(snapshot.body)
        self._at, self._cids = kept.at, Cids.unpack(kept.cids)
        self.state = msgspec.msgpack.decode(kept.state, type=self.state_type)
        self.seq = self._kept_at = snapshot.seq

    async def _fold_tail(self, after: int, projected: int | None = None) -> None:
        """Fold in every document after `after`; those another activation wrote have their rows, or get them again."""
        async for document in self.journal.documents(after):
            state, events = self.state, self.journal.happened(document)
            for one in events:
                state = self.fold(state, one)
            self._adopt(document, state)
            self._unprojected += [one for one in events if projected is None or one.seq > projected]

    @contextmanager
    def _too_new(self) -> Iterator[None]:
        """What a newer program wrote is left to it: refuse, and give the address up."""
        try:
            yield
        except TooNew as error:
            self.outside.report("log.too_new", {"address": self.address, "event": str(error)})
            why = Unavailable(retry_after_ms=5000)
            self.stop(why)
            raise why from error


def _milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
