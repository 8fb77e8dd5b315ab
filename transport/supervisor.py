"""Several nodes behind one port: each slot has a listening socket that outlives its process, which is replaced when it
ends (SIGKILL, a crash) or when asked (SIGHUP: one after the other, the next ready before the one before drains).
"""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from transport.monitoring import monitored_at
from transport.slot import SUPERVISOR, Slot, bound, slot_name
from transport.supervised import registry_of

log = structlog.get_logger("supervisor")

READY_WITHIN: Final = 60.0
"""Seconds."""
OVERSTAY: Final = 5.0
"""Seconds after its drain limit until a process is killed."""
STEADY_AFTER: Final = 30.0
"""Seconds after which the end of a process counts as a first one again, and it is replaced at once."""
LONGEST_BACKOFF: Final = 30.0
LONGEST_LINE: Final = 2**20


class NotStartedError(Exception):
    """A node ended, or was not ready in time; it has said why itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`command` starts a node, which is given `--slot`; `bury` forgets a node that is known to be dead; `say` tells
    whoever started us; `errors` is what was logged of them, by event.
    """

    host: str
    port: int
    nodes: int
    command: Sequence[str]
    variables: Callable[[int], Mapping[str, str]]
    drain: float
    bury: Callable[[str], Awaitable[None]]
    say: Callable[[str], None]
    errors: Mapping[str, int] = field(default_factory=dict)


class Child:
    """One process of a slot, from its start to its end."""

    def __init__(self, slot: Slot, running: asyncio.subprocess.Process, say: Callable[[str], None]) -> None:
        self.slot = slot
        self.began = time.monotonic()
        self.url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._running = running
        self._say = say
        self.life = asyncio.create_task(self._live(), name=f"supervisor.child:{slot.node}")

    @property
    def pid(self) -> int:
        return self._running.pid

    async def ready(self) -> str:
        """Its URL. Raises NotStartedError, and then it is no more."""
        await asyncio.wait((self.url, self.life), timeout=READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        if self.url.done():
            return self.url.result()
        self.send(signal.SIGKILL)
        raise NotStartedError(f"node {self.slot.number} ended with {await self.life} before it was ready")

    def send(self, number: signal.Signals) -> None:
        if not self.life.done():
            self._running.send_signal(number)

    async def stop(self, within: float) -> None:
        """SIGTERM, then SIGKILL."""
        self.send(signal.SIGTERM)
        await asyncio.wait([self.life], timeout=within)
        if not self.life.done():
            log.error("supervisor.killed", slot=self.slot.number, node=self.slot.node, after=within)
            self.send(signal.SIGKILL)
            await self.life

    async def _live(self) -> int:
        """Passes on what it prints; its exit code."""
        assert self._running.stdout is not None  # noqa: S101 - it was started with a pipe
        while line := await self._line(self._running.stdout):
            told = line.decode(errors="replace").rstrip()
            if told.startswith("ready ") and not self.url.done():
                self.url.set_result(told.split()[1])
            else:
                self._say(told)
        return await self._running.wait()

    async def _line(self, printed: asyncio.StreamReader) -> bytes:
        """The next one; of one too long to hold no more than that it was."""
        whole = True
        while True:
            try:
                line = await printed.readuntil(b"\n")
            except asyncio.LimitOverrunError as problem:
                await printed.readexactly(problem.consumed)
                whole = False
            except asyncio.IncompleteReadError as end:
                return end.partial
            else:
                return line if whole else f"a line of more than {LONGEST_LINE} bytes was not passed on".encode()


@dataclass
class Seat:
    """A slot's listening socket, and who serves it now."""

    number: int
    listener: socket.socket
    child: Child | None = None
    ends: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def backoff(self) -> float:
        """Seconds to wait before the next: nothing after a first end, then doubling."""
        steady = self.child is None or time.monotonic() - self.child.began > STEADY_AFTER
        self.ends = 1 if steady else self.ends + 1
        return 0.0 if self.ends == 1 else min(2.0 ** (self.ends - 2), LONGEST_BACKOFF)


class Supervisor:
    """Owns the sockets and the processes; what the processes are told is the plan's."""

    def __init__(self, plan: Plan, seats: Sequence[Seat], tie: int, room: str) -> None:
        self._plan = plan
        self._seats = seats
        self._tie = tie
        self._room = room
        self._rolling = asyncio.Lock()
        self._work: set[asyncio.Task[None]] = set()
        self.ended: Counter[str] = Counter()
        self.not_replaced: Counter[str] = Counter()

    def serving(self) -> int:
        """How many processes are ready."""
        children = [seat.child for seat in self._seats if seat.child is not None]
        return sum(child.url.done() and not child.life.done() for child in children)

    async def start(self) -> str:
        """The URL once all nodes are ready. The first comes up alone: what it makes, the others find."""
        first, *others = self._seats
        async with self._rolling:
            url = await (await self._occupy(first)).ready()
            await asyncio.gather(*[(await self._occupy(seat)).ready() for seat in others])
        for seat in self._seats:
            self._own(self._keep(seat), f"supervisor.keep:{seat.number}")
        return url

    def roll(self) -> None:
        """Replace every node by a new one."""
        if self._rolling.locked():
            log.warning("supervisor.rolling_already")
            return
        self._own(self._roll(), "supervisor.roll")

    async def stop(self) -> None:
        """All at once, each within its time; new connections are refused from now on."""
        tasks = list(self._work)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for seat in self._seats:
            seat.listener.close()
        await asyncio.gather(*(self._end(seat.child) for seat in self._seats if seat.child is not None))

    async def _keep(self, seat: Seat) -> None:
        """Whoever serves the seat is replaced when it ends."""
        while seat.child is not None:
            child = seat.child
            code = await asyncio.shield(child.life)
            async with seat.changing:
                if seat.child is not child:
                    continue
                wait = seat.backoff()
                self.ended[str(seat.number)] += 1
                log.error("supervisor.node_ended", slot=seat.number, node=child.slot.node, code=code, wait=wait)
                await self._buried(child)
                await asyncio.sleep(wait)
                await self._occupy(seat)

    async def _roll(self) -> None:
        async with self._rolling:
            for seat in self._seats:
                if not await self._replace(seat):
                    return
            log.info("supervisor.rolled", nodes=len(self._seats))

    async def _replace(self, seat: Seat) -> bool:
        """Whether the next one was ready; if not, the one before goes on."""
        async with seat.changing:
            before = seat.child
            after = await self._start(seat)
            try:
                await after.ready()
            except NotStartedError as problem:
                self.not_replaced[str(seat.number)] += 1
                log.error("supervisor.not_replaced", slot=seat.number, problem=str(problem))  # noqa: TRY400 - it has told why itself
                await self._buried(after)
                return False
            finally:
                if not after.url.done():  # stopped while waiting
                    after.send(signal.SIGKILL)
            seat.child = after
        if before is not None:
            await self._end(before)
        return True

    async def _occupy(self, seat: Seat) -> Child:
        seat.child = await self._start(seat)
        return seat.child

    async def _start(self, seat: Seat) -> Child:
        listener = seat.listener.fileno()
        slot = Slot(seat.number, secrets.token_hex(8), listener, self._tie, self._room)
        running = await asyncio.create_subprocess_exec(
            *self._plan.command,
            "--slot",
            msgspec.json.encode(slot).decode(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **self._plan.variables(seat.listener.getsockname()[1])},
            pass_fds=(listener, self._tie),
            start_new_session=True,  # Ctrl-C reaches us alone
            limit=LONGEST_LINE,
        )
        log.info("supervisor.node_started", slot=seat.number, node=slot.node, pid=running.pid)
        return Child(slot, running, self._plan.say)

    async def _end(self, child: Child) -> None:
        await child.stop(self._plan.drain + OVERSTAY)
        if await child.life != 0:
            await self._buried(child)

    async def _buried(self, child: Child) -> None:
        """It is certain that it lives no more: nobody has to wait for its lease to end."""
        child.slot.own_socket.unlink(missing_ok=True)
        await self._plan.bury(child.slot.node)

    def _own(self, work: Awaitable[None], name: str) -> None:
        task = asyncio.ensure_future(work)
        task.set_name(name)
        self._work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("supervisor.failed", task=task.get_name(), error=type(error).__name__)
            os.kill(os.getpid(), signal.SIGTERM)


async def supervise(plan: Plan) -> None:
    """From the first bind to the end of the last node. Raises OSError for the port, and NotStartedError."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        listeners = [stack.enter_context(one) for one in bound(plan.host, plan.port, plan.nodes)]
        tie, held = os.pipe()
        stack.callback(os.close, held)
        stack.callback(os.close, tie)
        room = tempfile.mkdtemp(prefix="lifebuddy-")
        stack.callback(shutil.rmtree, room, ignore_errors=True)
        supervisor = Supervisor(plan, [Seat(number, one) for number, one in enumerate(listeners, 1)], tie, room)
        registry = registry_of(supervisor.serving, supervisor.ended, supervisor.not_replaced, plan.errors)
        await stack.enter_async_context(monitored_at(registry, Path(room, slot_name(SUPERVISOR))))
        loop.add_signal_handler(signal.SIGHUP, supervisor.roll)
        try:
            async with asyncio.TaskGroup() as group:
                starting = group.create_task(_started(supervisor, plan), name="supervisor.start")
                await stop.wait()
                starting.cancel()
        except* NotStartedError as failed:
            raise failed.exceptions[0] from None
        finally:
            await supervisor.stop()


async def _started(supervisor: Supervisor, plan: Plan) -> None:
    plan.say(f"ready {await supervisor.start()}")
