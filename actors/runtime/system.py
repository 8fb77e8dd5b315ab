"""All actors of a node: woken on the first message, restarted with backoff when they crash, retired when idle."""

import asyncio
import contextlib
import itertools
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, Self

import msgspec
import structlog

from actors.runtime.actor import LAST_WORDS, Actor, ChildEnded, Children
from actors.runtime.envelope import Crashed, Envelope, NotHere, Overloaded, Poisoned, Refused, Unavailable
from actors.runtime.mailbox import Mailbox
from actors.runtime.outside import Placement, Report
from actors.runtime.ref import Ref
from actors.runtime.tracing import Span, Trace, trace_id, watched

POISON_AFTER = 3
STEADY_AFTER = 100
"""Messages after which, or seconds after its last backoff, a crash counts as a first one again."""
REMEMBERED = 10_000
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 30.0
TOGETHER = 100


class Limits(msgspec.Struct, frozen=True):
    """Messages waiting per actor, actors awake at once, seconds of idleness before one retires."""

    mailbox: int = 256
    awake: int = 100_000
    idle: float = 300.0


class Retire(msgspec.Struct, frozen=True):
    """The runtime's own message: end, for that reason; without one, if nothing is waiting and nothing is going on."""

    why: Refused | None = None


class Cell:
    """One activation: an actor, its mailbox, and the loop that is its only task."""

    __slots__ = ("actor", "before", "done", "ended", "handled", "mailbox", "seen", "system", "trace", "watched")

    def __init__(self, system: "System", actor: Actor, before: "Cell | None") -> None:
        self.system = system
        self.actor = actor
        self.before = before
        self.mailbox = Mailbox(system.limits.mailbox)
        self.done = asyncio.get_running_loop().create_future()
        self.ended = False
        self.handled = self.seen = 0
        self.trace: Trace | None = None
        self.watched = False
        actor.me = Ref(actor.address, self.mailbox.put_control)

    async def run(self) -> None:
        """The whole life of an activation."""
        actor = self.actor
        why: Refused = Unavailable(retry_after_ms=1000)
        try:
            await self._take_over()
            await _both(self.system.placement.claim(actor.address), actor.load())
            await actor.started()
            await self._serve()
        except Refused as refusal:
            why = refusal.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - supervision: whatever the bug, this actor alone dies of it
            why = self.system.crashed(self, None, error)
        finally:
            await self._end(actor.stopping or why)

    async def let_go(self, patience: float) -> list[str]:
        """Give the children their time, let the actor hear of their ends, then end it; names who overstayed.

        It serves on meanwhile. What waits at its end is sent on.
        """
        self.actor.draining()
        late = await self.actor.children.end(patience)
        self.retire(NotHere())
        return [f"{self.actor.address}/{name}" for name in late]

    def retire(self, why: Refused | None = None) -> None:
        """Have the actor end after what it has in hand and in the control lane."""
        if not self.ended:
            self.mailbox.put_control(Envelope(Retire(why)))

    async def _take_over(self) -> None:
        """Wait until the activation before is gone, and longer when the address keeps crashing."""
        if self.before is not None:
            await asyncio.wait([self.before.done])
            self.before = None
        if (delay := self.system.backoff(self.actor.address)) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self.system.draining.wait()
                    raise NotHere

    async def _serve(self) -> None:
        mailbox, actor, system = self.mailbox, self.actor, self.system
        while actor.stopping is None:
            envelope = mailbox.take()
            if envelope is None:
                await mailbox.more()
                continue
            if type(envelope.message) is Retire:
                self._retire(envelope.message)
                continue
            if envelope.reply is not None and envelope.reply.done():  # the asker has gone
                continue
            self.handled += 1
            envelope.begun = True
            try:
                if envelope.trace != self.trace:
                    self._follow(envelope.trace)
                if system.poison:
                    system.check_poison(actor.address, envelope.message)
                envelope.answer(
                    await (watched(actor, envelope.message) if self.watched else actor.receive(envelope.message))
                )
            except BaseException as error:  # noqa: BLE001 - supervision: the asker is told, whatever happens
                self._failed(envelope, error)

    def _failed(self, envelope: Envelope, error: BaseException) -> None:
        """A refusal goes to the asker. A bug ends this actor alone; what is meant for the task ends the task.

        A cancellation nobody asked this task for is a bug too: something it waited for was cancelled under it.
        """
        task = asyncio.current_task()
        cancelled = task is not None and task.cancelling() > 0
        if isinstance(error, Refused):
            self._give_back(envelope, error.with_traceback(None))
        elif isinstance(error, Exception | asyncio.CancelledError) and not cancelled:
            envelope.refuse(Crashed(effect="unknown"))
            self.actor.stop(self.system.crashed(self, envelope.message, error))
        else:
            envelope.refuse(Unavailable(effect="unknown"))
            raise error

    def _retire(self, message: Retire) -> None:
        if message.why is not None:
            self.actor.stop(message.why)
        elif not len(self.mailbox) and self.actor.idle():
            self.actor.stop(Unavailable(retry_after_ms=0))

    def _follow(self, trace: Trace | None) -> None:
        """What is logged and sent from here on belongs to that trace."""
        self.trace, self.watched = trace, isinstance(trace, Span)
        trace_id.set(trace)
        structlog.contextvars.bind_contextvars(trace_id=None if trace is None else str(trace))

    async def _end(self, why: Refused) -> None:
        """Each step is taken whatever becomes of the others: an address must never stay taken."""
        self.ended = True
        async with contextlib.AsyncExitStack() as last, contextlib.AsyncExitStack() as stack:
            stack.callback(self.system.gone, self)
            stack.callback(self.done.set_result, None)
            stack.push_async_callback(self.system.placement.release, self.actor.address)
            stack.push_async_callback(self.actor.stopped)
            stack.push_async_callback(self.actor.children.end, 0)
            # At a node that drains, who waits is sent on once the address is free: before, nobody else can have it.
            (last if self.system.draining.is_set() else stack).callback(self._turn_away, why)

    def _turn_away(self, why: Refused) -> None:
        with contextlib.ExitStack() as stack:
            for envelope in reversed(self.mailbox.close(why)):  # so that the first comes first
                stack.callback(self._give_back, envelope, why)

    def _give_back(self, envelope: Envelope, why: Refused) -> None:
        """What others sent may be sent on to where the address lives; what is this activation's own ends with it."""
        (_refuse if envelope.own else self.system.undelivered)(self.actor.address, envelope, why)


class System:
    """The actors of this node by address. Entered on its owner's stack; leaving drains."""

    def __init__(
        self, make: Callable[[str], Actor], *, placement: Placement, report: Report, limits: Limits | None = None
    ) -> None:
        self.undelivered: Callable[[str, Envelope, Refused], None] = _refuse
        self.placement = placement
        self.limits = limits or Limits()
        self.draining = asyncio.Event()
        self.poison: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._make = make
        self._report = report
        self._cells: dict[str, Cell] = {}
        self._crashes: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._numbers = itertools.count()
        self._tasks = Children("system", self._task_ended)

    async def __aenter__(self) -> Self:
        self._tasks.spawn("sweep", self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        late = await self.drain(0)
        if late:
            self._report("system.overstayed", {"who": late})

    def __len__(self) -> int:
        return len(self._cells)

    def __contains__(self, address: str) -> bool:
        """Whether a message is taken without waking anybody."""
        cell = self._cells.get(address)
        return cell is not None and (not cell.ended or self.draining.is_set())

    @property
    def waiting(self) -> int:
        """Messages in all mailboxes."""
        return sum(len(cell.mailbox) for cell in self._cells.values())

    def ref(self, address: str) -> Ref:
        """The actor of that address, woken by its first message."""
        return Ref(address, partial(self.deliver, address))

    def deliver(self, address: str, envelope: Envelope) -> None:
        """Into the mailbox of the address, waking it. Raises Overloaded, and NotHere once nobody is woken any more."""
        cell = self._cells.get(address)
        if cell is None or address not in self:
            cell = self._wake(address, cell)
        cell.mailbox.put(envelope)

    def lost(self, address: str) -> None:
        """The address is known to live elsewhere: its actor here ends after the message in hand."""
        if address in self:
            self._cells[address].retire(NotHere())

    async def drain(self, patience: float) -> list[str]:
        """Wake nobody, let actors finish what they hold and children `patience` seconds; names who overstayed.

        Actors have what their children left of that time, at least a second; what still waits then is sent on.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        self.draining.set()
        self._tasks.cancel("sweep")
        late = await asyncio.gather(*(cell.let_go(patience) for cell in list(self._cells.values())))
        tasks = await self._tasks.end(max(deadline - loop.time(), LAST_WORDS))
        return [*(name for names in late for name in names), *(task.partition("#")[0] for task in tasks)]

    def crashed(self, cell: Cell, message: Any, error: BaseException) -> Refused:
        """Take note of a crash; answers what is told to those who waited."""
        address, cid, now = cell.actor.address, getattr(message, "cid", None), asyncio.get_running_loop().time()
        count, until = self._crashes.get(address, (0, now))
        count = 1 if cell.handled > STEADY_AFTER or now - until > STEADY_AFTER else count + 1
        backoff = min(FIRST_BACKOFF * 2 ** (count - 2), LONGEST_BACKOFF) if count > 1 else 0.0
        _note(self._crashes, address, (count, now + backoff))
        if cid is not None:
            _note(self.poison, (address, cid), self.poison.get((address, cid), 0) + 1)
        self._report("actor.crashed", {"address": address, "message": type(message).__name__, "exc_info": error})
        return Crashed(retry_after_ms=int(backoff * 1000))

    def check_poison(self, address: str, message: Any) -> None:
        """Raises Poisoned when the actor died of this very message so often that it is not tried again."""
        cid = getattr(message, "cid", None)
        if cid is not None and self.poison.get((address, cid), 0) >= POISON_AFTER:
            self._report("message.poisoned", {"address": address, "message": type(message).__name__})
            raise Poisoned

    def backoff(self, address: str) -> float:
        """Seconds before the address may wake: nothing after its first crash, then doubling."""
        return self._crashes.get(address, (0, 0.0))[1] - asyncio.get_running_loop().time()

    def gone(self, cell: Cell) -> None:
        """An activation has ended for good."""
        address = cell.actor.address
        if self._cells.get(address) is cell:
            del self._cells[address]

    def _wake(self, address: str, before: Cell | None) -> Cell:
        if self.draining.is_set():
            raise NotHere
        if before is None and len(self._cells) >= self.limits.awake:
            raise Overloaded(retry_after_ms=1000)
        cell = self._cells[address] = Cell(self, self._make(address), before)
        self._tasks.spawn(f"{address}#{next(self._numbers)}", cell.run(), context=Context())
        return cell

    async def _sweep(self) -> None:
        """Retire who has handled nothing for a whole period, some at a time."""
        while True:
            await asyncio.sleep(self.limits.idle)
            for number, cell in enumerate(list(self._cells.values())):
                if cell.handled == cell.seen:
                    cell.retire()
                cell.seen = cell.handled
                if number % TOGETHER == 0:
                    await asyncio.sleep(0)

    def _task_ended(self, ended: ChildEnded) -> None:
        if ended.error is not None:
            self._report("system.task", {"name": ended.name, "exc_info": ended.error})


async def _both(one: Coroutine[Any, Any, None], other: Coroutine[Any, Any, None]) -> None:
    """Beside each other; neither is cut off when the other fails: a cancelled read costs its connection."""
    for outcome in await asyncio.gather(one, other, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _refuse(_: str, envelope: Envelope, why: Refused) -> None:
    """What the directory replaces: it knows other nodes."""
    envelope.refuse(why)


def _note(counts: OrderedDict[Any, Any], key: Any, count: Any) -> None:
    """Remember a count; of too many the oldest is forgotten."""
    counts[key] = count
    counts.move_to_end(key)
    if len(counts) > REMEMBERED:
        counts.popitem(last=False)
