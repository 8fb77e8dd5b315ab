"""All actors of a node: woken on the first message, restarted with backoff when they crash, retired when idle."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

import msgspec

from actors.runtime.actor import Actor, ChildEnded, Children
from actors.runtime.envelope import Crashed, Envelope, Overloaded, Poisoned, Refused, Unavailable
from actors.runtime.mailbox import Mailbox
from actors.runtime.outside import Placement, Report
from actors.runtime.ref import Ref

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace of the message being handled; what it causes carries it on."""

POISON_AFTER = 3
STEADY_AFTER = 100
REMEMBERED = 10_000
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 30.0


class Limits(msgspec.Struct, frozen=True):
    """Messages waiting per actor, actors awake at once, seconds of idleness before one retires."""

    mailbox: int = 256
    awake: int = 100_000
    idle: float = 300.0


class Retire(msgspec.Struct, frozen=True):
    """The runtime's own message: end now if nothing is waiting and nothing is going on."""


class Cell:
    """One activation: an actor, its mailbox, and the loop that is its only task."""

    __slots__ = ("actor", "before", "done", "ended", "handled", "mailbox", "seen", "system")

    def __init__(self, system: "System", actor: Actor, before: "Cell | None") -> None:
        self.system = system
        self.actor = actor
        self.before = before
        self.mailbox = Mailbox(system.limits.mailbox)
        self.done = asyncio.Event()
        self.ended = False
        self.handled = 0
        self.seen = 0
        actor.me = Ref(actor.address, self.mailbox.put_control)

    async def run(self) -> None:
        """The whole life of an activation."""
        actor, why = self.actor, Refused()
        try:
            await self._take_over()
            await self.system.placement.claim(actor.address)
            await actor.started()
            await self._serve()
        except Refused as refusal:
            why = refusal
        except Exception as error:  # noqa: BLE001 - supervision: whatever the bug, this actor alone dies of it
            why = self.system.crashed(self, None, error)
        finally:
            await self._end(actor.stopping or why)

    async def _take_over(self) -> None:
        """Wait until the activation before is gone, and longer when the address keeps crashing."""
        if self.before is not None:
            await self.before.done.wait()
            self.before = None
        delay = self.system.backoff(self.actor.address)
        if delay:
            await asyncio.sleep(delay)

    async def _serve(self) -> None:
        mailbox, actor = self.mailbox, self.actor
        while actor.stopping is None:
            envelope = mailbox.take()
            if envelope is None:
                await mailbox.wait()
            elif envelope.reply is None or not envelope.reply.done():
                await self._handle(envelope)

    async def _handle(self, envelope: Envelope) -> None:
        self.handled += 1
        envelope.begun = True
        message = envelope.message
        if envelope.trace is not None:
            trace_id.set(envelope.trace)
        try:
            answer = await self._receive(message)
        except Refused as refusal:
            _refuse(envelope, refusal)
        except asyncio.CancelledError:
            _refuse(envelope, Unavailable(effect="unknown"))
            raise
        except Exception as error:  # noqa: BLE001 - supervision: whatever the bug, this actor alone dies of it
            _refuse(envelope, Crashed(effect="unknown"))
            self.actor.stop(self.system.crashed(self, message, error))
        else:
            if envelope.reply is not None and not envelope.reply.done():
                envelope.reply.set_result(answer)

    async def _receive(self, message: Any) -> Any:
        if self.system.poison and self.system.poisoned(self.actor.address, message):
            raise Poisoned
        if type(message) is Retire:
            if not len(self.mailbox) and self.actor.idle():
                self.actor.stop(Unavailable(retry_after_ms=0))
            return None
        return await self.actor.receive(message)

    async def _end(self, why: Refused) -> None:
        self.ended = True
        for envelope in self.mailbox.close(why):
            _refuse(envelope, why)
        try:
            await self.actor.children.end(0)
            await self.actor.stopped()
            await self.system.placement.release(self.actor.address)
        finally:
            self.done.set()
            self.system.gone(self)


class System:
    """The actors of this node by address. Entered on its owner's stack; leaving drains."""

    def __init__(
        self, make: Callable[[str], Actor], *, placement: Placement, report: Report, limits: Limits | None = None
    ) -> None:
        self.placement = placement
        self.limits = limits or Limits()
        self.poison: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._make = make
        self._report = report
        self._cells: dict[str, Cell] = {}
        self._crashes: OrderedDict[str, int] = OrderedDict()
        self._tasks = Children("system", self._task_ended)
        self._draining = False

    async def __aenter__(self) -> Self:
        self._tasks.spawn("sweep", self._sweep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(0)

    def __len__(self) -> int:
        return len(self._cells)

    def __contains__(self, address: str) -> bool:
        cell = self._cells.get(address)
        return cell is not None and not cell.ended

    def waiting(self) -> int:
        """How many messages wait in all mailboxes."""
        return sum(len(cell.mailbox) for cell in self._cells.values())

    def ref(self, address: str) -> Ref:
        """The actor of that address, woken by its first message."""
        return Ref(address, lambda envelope: self.deliver(address, envelope))

    def deliver(self, address: str, envelope: Envelope) -> None:
        """Into the mailbox of the address, waking it. Raises Overloaded or Unavailable."""
        if self._draining:
            raise Unavailable(retry_after_ms=1000)
        cell = self._cells.get(address)
        if cell is None or cell.ended:
            cell = self._wake(address, cell)
        cell.mailbox.put(envelope)

    async def drain(self, patience: float) -> list[str]:
        """Take nothing new, let actors finish what they hold and children `patience` seconds; names who overstayed."""
        self._draining = True
        self._tasks.cancel("sweep")
        late = await asyncio.gather(*(self._let_go(cell, patience) for cell in list(self._cells.values())))
        return [*itertools.chain.from_iterable(late), *await self._tasks.end(patience)]

    def crashed(self, cell: Cell, message: Any, error: BaseException) -> Refused:
        """Take note of a crash; answers what is told to those who waited."""
        address, cid = cell.actor.address, getattr(message, "cid", None)
        count = 1 if cell.handled > STEADY_AFTER else self._crashes.get(address, 0) + 1
        _note(self._crashes, address, count)
        if cid is not None:
            _note(self.poison, (address, cid), self.poison.get((address, cid), 0) + 1)
        self._report("actor.crashed", {"address": address, "message": type(message).__name__, "exc_info": error})
        return Crashed(effect="none", retry_after_ms=int(self.backoff(address) * 1000))

    def poisoned(self, address: str, message: Any) -> bool:
        """Whether the actor died of this very message so often that it is not tried again."""
        cid = getattr(message, "cid", None)
        poisoned = cid is not None and self.poison.get((address, cid), 0) >= POISON_AFTER
        if poisoned:
            self._report("message.poisoned", {"address": address, "message": type(message).__name__})
        return poisoned

    def backoff(self, address: str) -> float:
        """Seconds before the address may wake: nothing after its first crash, then doubling."""
        count = self._crashes.get(address, 0)
        return min(FIRST_BACKOFF * 2 ** (count - 2), LONGEST_BACKOFF) if count > 1 else 0.0

    def gone(self, cell: Cell) -> None:
        """An activation has ended for good."""
        address = cell.actor.address
        if self._cells.get(address) is cell:
            del self._cells[address]

    def _wake(self, address: str, before: Cell | None) -> Cell:
        if len(self._cells) >= self.limits.awake:
            raise Overloaded(retry_after_ms=1000)
        cell = self._cells[address] = Cell(self, self._make(address), before)
        self._tasks.spawn(f"{address}#{id(cell)}", cell.run())
        return cell

    async def _let_go(self, cell: Cell, patience: float) -> list[str]:
        late = await cell.actor.children.end(patience)
        cell.actor.stop(Unavailable(retry_after_ms=1000))
        if not cell.ended:
            cell.mailbox.put_control(Envelope(Retire()))
        return [f"{cell.actor.address}/{name}" for name in late]

    async def _sweep(self) -> None:
        """Retire who has handled nothing for a whole period."""
        while True:
            await asyncio.sleep(self.limits.idle)
            for cell in list(self._cells.values()):
                if cell.handled == cell.seen and not cell.ended:
                    cell.mailbox.put_control(Envelope(Retire()))
                cell.seen = cell.handled

    def _task_ended(self, ended: ChildEnded) -> None:
        if ended.error is not None:
            self._report("system.task", {"name": ended.name, "exc_info": ended.error})


def _note(counts: "OrderedDict[Any, int]", key: Any, count: int) -> None:
    """Remember a count; of too many the oldest is forgotten."""
    counts[key] = count
    counts.move_to_end(key)
    if len(counts) > REMEMBERED:
        counts.popitem(last=False)


def _refuse(envelope: Envelope, why: Refused) -> None:
    if envelope.reply is not None and not envelope.reply.done():
        envelope.reply.set_exception(why)
