"""An actor whose state is a fold over its own log: decide → fold → append → adopt → project."""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from actors.journal.cids import Cids
from actors.journal.journal import Happened, Journal, Outside, Page, Taken, Unsettled
from actors.journal.orders import Accepted, Decided, Order, Stamp, TooMuch
from actors.journal.outside import MAX_BODY, MAX_EVENTS, Document, Head, Row, Snapshot
from actors.runtime.actor import Actor, ChildEnded
from actors.runtime.envelope import CidConflict, NotHere, Overloaded, Refused, Unavailable
from actors.runtime.ids import uuid7

__all__ = ["Accepted", "Decided", "Journaled", "Order", "Stamp", "TooMuch"]

S = TypeVar("S")
DECIDE_AGAIN = 3
_EARLIEST, _MILLISECOND = datetime.fromtimestamp(0, UTC), timedelta(milliseconds=1)
_SNAPSHOT, _REPAIR = "snapshot", "repair"
_ENCODER = msgspec.msgpack.Encoder()


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
        self.seq = self._kept_at = self._projected = self._writes = 0
        self._at = _EARLIEST
        self._head, self._cids = Head(address, 0), Cids()
        self._w = os.urandom(8).hex()
        self._behind: list[Happened] = []

    # What a subclass says about itself. It may name its children as it likes, except these two.

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

    def due(self) -> datetime | None:
        """When there is something to do next, though nothing is owed: the clock wakes who sleeps then."""

    def settle(self) -> None:
        """Begin what is owed and not begun: called after every commit and on every wake."""
        raise NotImplementedError

    def published(self, happened: Sequence[Happened]) -> None:
        """Events are committed and projected: devices may see them."""
        raise NotImplementedError

    async def answer(self, message: Any) -> Any:
        """Any message that is not an Order."""
        raise NotImplementedError

    async def load(self) -> None:
        """Snapshot and head may be old: the tail, which is read once the address is ours, makes up for it."""
        log = self.outside.log
        snapshot, head = await asyncio.gather(log.snapshot(self.address), log.head(self.address))
        self._head = head or self._head
        if snapshot is not None and snapshot.fold_version == self.fold_version:
            self._restore(snapshot)

    async def started(self) -> None:
        """Wake: snapshot, tail, rows that were left behind, and whatever is owed."""
        head, page = self._head, await self.journal.page(self.seq + 1)
        self._projected = head.projected
        if head.projected < self.seq:
            self._behind = await self.journal.read(head.projected, self.seq - head.projected)
        await self._fold_tail(page)
        if head.seq < self.seq:
            await self._project()
        elif self._behind:  # written beside that head, most likely; made sure of once nobody waits for us
            self._repair_soon()
        self._keep()
        self.settle()

    async def receive(self, message: Any) -> Any:
        if isinstance(message, Order):
            return await self.accept(message)
        if isinstance(message, ChildEnded) and message.name == _SNAPSHOT:
            return self._failed("snapshot.failed", message.error) if message.error is not None else None
        if isinstance(message, ChildEnded) and message.name == _REPAIR:
            return await self._repair()
        await self._serve_only_what_is_ours()
        return await self.answer(message)

    async def accept(self, order: Order) -> Accepted:
        """One command, from decision to answer. After the append it is never refused.

        What was accepted has its rows and its head: should this node die now, the head tells what is owed. Raises
        Unsettled when they can't be written; who asks again is answered once they are.
        """
        self.outside.log.check()
        self.outside.projections.check()
        await self._serve_only_what_is_ours()
        digest = self.outside.digest(_ENCODER.encode((type(order.command).__name__, order.command)))
        for _ in range(1 + DECIDE_AGAIN):
            known = await self._known(order, digest)
            if known is not None:
                return known
            if self._behind:
                await self._project()
            stamp = self._stamp(order)
            try:
                decided = self.decide(order, stamp)
            except Refused as why:
                if why.retry or await self.is_newest():
                    raise
                continue
            if not decided.events:
                return Accepted(self.seq, decided.answer)
            happened = [Happened(seq, stamp.at, event) for seq, event in enumerate(decided.events, stamp.seq)]
            state = self._folded(happened)
            document = self._document(order, digest, decided, stamp)
            if await self._append(document):
                self._adopt(document, state)
                await self._follow(happened)
                return Accepted(document.last, decided.answer)
        raise self._gives_up(Unavailable(retry_after_ms=1000))

    async def _serve_only_what_is_ours(self) -> None:
        """A lapsed lease means: look the placement up. Without Redis what is held goes on; the log is the fence."""
        held, placement = True, self.outside.placement
        with contextlib.suppress(Unavailable):
            held = placement.valid() or await placement.holds(self.address)
        if not held:
            raise self._gives_up(NotHere())

    def _gives_up(self, why: Refused) -> Refused:
        """End this activation; its asker is told why."""
        self.stop(why)
        return why

    async def _known(self, order: Order, digest: bytes) -> Accepted | None:
        """The first answer, when this author's cid was accepted before. Raises CidConflict for another request."""
        document, s = None, self._cids.find(order.by, order.cid)
        if s is None and self._cids.may_be_older(order.cid):
            document = await self.outside.log.find(self.address, order.by, order.cid)
        if s is None and document is None:
            return None
        with contextlib.suppress(Overloaded, Unavailable):
            document = document or await self.outside.log.at(self.address, s or 0)
            if document is not None and document.s > self.seq:  # another activation's, of just now
                await self._catch_up()
            if self._behind:
                await self._project()
        if document is None or document.s > self.seq or self._behind:
            # it was accepted: nobody may hear now that nothing has happened
            raise Unavailable(effect="unknown", retry_after_ms=500)
        if document.digest != digest:
            raise CidConflict
        return Accepted(document.last, self.outside.codec.answer(document.body), repeated=True)

    def _stamp(self, order: Order) -> Stamp:
        """The time goes forward from event to event, to the millisecond, whatever the clock does."""
        now = self.outside.timers.now()
        at = max(now.replace(microsecond=now.microsecond // 1000 * 1000), self._at + _MILLISECOND)
        return Stamp(at, self.seq + 1, partial(uuid7, at), order.occurred_at)

    def _folded(self, happened: Sequence[Happened]) -> S:
        return reduce(self.fold, happened, self.state)

    def _document(self, order: Order, digest: bytes, decided: Decided, stamp: Stamp) -> Document:
        n, body = len(decided.events), self.outside.codec.pack(decided.events, decided.answer)
        if n > MAX_EVENTS or len(body) > MAX_BODY:
            raise TooMuch
        self._writes += 1
        w = f"{self._w}/{self._writes}"
        return Document(self.address, stamp.seq, n, order.by, order.cid, digest, w, stamp.at, body)

    async def _append(self, document: Document) -> bool:
        """False: another's document was there; it is folded in now, and the command is to be decided again."""
        try:
            await self.journal.append(document)
        except Taken:
            await self._catch_up()
            return False
        except Unsettled:
            self.stop(Unavailable(retry_after_ms=500))
            raise
        return True

    async def _catch_up(self) -> None:
        """After a conflict: the holder still, by placement's word, folds the tail in; anybody else stops."""
        try:
            held = await self.outside.placement.holds(self.address)
            if held:
                await self._fold_tail(await self.journal.page(self.seq + 1))
        except Unavailable as why:
            raise self._gives_up(why) from None
        if not held:
            raise self._gives_up(NotHere())
        self._repair_soon()

    async def is_newest(self) -> bool:
        """Whether nobody else has written meanwhile; if so it is folded in, and what it owes follows. Raises Unavailable.

        A refusal or an answer is no append: the fence does not show that the address had another owner.
        """
        if not (await self.journal.page(self.seq + 1))[0]:
            return True
        await self._catch_up()
        return False

    def _adopt(self, document: Document, state: S) -> None:
        self.state, self.seq, self._at = state, document.last, document.at
        self._cids.add(document.by, document.cid, document.s)

    async def _follow(self, happened: Sequence[Happened]) -> None:
        """What comes after a commit. Whatever goes wrong here, the command stands. Raises Unsettled."""
        self._behind += happened
        try:
            with contextlib.suppress(Overloaded, Unavailable):
                await self._project()
            self._keep()
            self.published(happened)
            self.settle()
        except Exception as error:  # noqa: BLE001 - it stands in the log: a fresh activation goes on from there
            self._failed("actor.crashed", error)
            self.stop(Unavailable(retry_after_ms=250))
        if self._behind:
            raise Unsettled(effect="unknown", retry_after_ms=500)

    async def _project(self) -> None:
        """Write the rows of what is behind, and the head. Raises Overloaded, Unavailable: it is tried again soon."""
        head = Head(self.address, self.seq, self._projected, min(self.owed().values(), default=None), self.due())
        try:
            await self.outside.projections.write(self.address, self._rows(), head)
        except (Overloaded, Unavailable):
            self._repair_soon()
            raise
        except Exception as error:  # noqa: BLE001 - rows can be made again from the log; the address lives on
            self._failed("projection.failed", error)
        self._behind, self._projected = [], head.seq

    def _rows(self) -> Sequence[Row]:
        try:
            return self.rows(self._behind) if self._behind else ()
        except Exception as error:  # noqa: BLE001 - as above; the head is written all the same
            self._failed("projection.failed", error)
            return ()

    def _repair_soon(self) -> None:
        if _REPAIR not in self.children:
            self.children.spawn(_REPAIR, asyncio.sleep(self.outside.project_pause))

    async def _repair(self) -> None:
        """Make sure of what is behind, then have the head say so: the next wake need not."""
        with contextlib.suppress(Overloaded, Unavailable):
            if self._behind:
                await self._project()
            await self._project()
        self.settle()

    def _failed(self, what: str, error: BaseException) -> None:
        self.outside.report(what, {"address": self.address, "exc_info": error})

    def _keep(self) -> None:
        """Every so many events the whole state is remembered, so that waking stays short."""
        if self.seq - self._kept_at < self.outside.snapshot_every or _SNAPSHOT in self.children:
            return
        self._kept_at = self.seq
        body = _ENCODER.encode((self._at, self._cids, self.state))
        kept = Snapshot(self.address, self.seq, self.fold_version, body)
        self.children.spawn(_SNAPSHOT, self.outside.log.keep(kept))

    def _restore(self, snapshot: Snapshot) -> None:
        try:
            kept = msgspec.msgpack.decode(snapshot.body, type=tuple[datetime, Cids, self.state_type])  # type: ignore[name-defined]  # a type that is a value
        except msgspec.DecodeError as error:
            self._failed("snapshot.unreadable", error)
        else:
            (self._at, self._cids, self.state), self.seq = kept, snapshot.seq
            self._kept_at = self.seq

    async def _fold_tail(self, page: Page) -> None:
        """Fold in every document after the last one; what is not projected for sure gets its rows again."""
        documents, more = page
        while True:
            for document in documents:
                happened = self.journal.happened(document)
                self._adopt(document, self._folded(happened))
                self._behind += [one for one in happened if one.seq > self._projected]
            if not more:
                return
            documents, more = await self.journal.page(self.seq + 1)
