"""Lets devices in, takes their commands, and lets them go: both Socket.IO paths of a node."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import cache
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiohttp import web
from prometheus_client import Counter, Gauge
from socketio.exceptions import ConnectionRefusedError as Refusal

from actors.ports import Counters
from actors.questions import Detach
from actors.runtime.envelope import Crashed, Refused, TimedOut, Unavailable
from actors.runtime.tracing import Span, Trace
from transport import problems
from transport.asking import crash_site
from transport.limits import HereCounters
from transport.refusals import NotJoined, Unreadable
from transport.sentences import read_languages, sentence
from transport.sockets.arrivals import admit
from transport.sockets.commands import NAMES, Asked, carry_out, one_question
from transport.sockets.connection import Connection
from transport.sockets.doors import SocketDoors
from transport.sockets.entrance import Entrance
from transport.sockets.frames import Frame
from transport.sockets.packets import JsonPacket, MsgpackPacket, Words
from transport.sockets.short import Deadlines, Waiting
from transport.sockets.upkeep import renew_at_once, renew_for_ever, sweep_for_ever
from transport.tracing import new_trace

log = structlog.get_logger(__name__)

RESTARTING: Final = 1012
NORMAL: Final = 1000
FINAL: Final = frozenset({"auth.revoked", "protocol"})
"""Closings after which stock clients do not come back by themselves: Socket.IO's own DISCONNECT goes before."""
COMES_BACK: Final = {"draining": 0, "overloaded": 1_000}
"""Closings after which the device should come back, and in how many milliseconds."""


class Gateway:
    """Entered on the node's stack once sessions can be reached; leaving closes what is still open."""

    def __init__(self, doors: SocketDoors) -> None:
        self.doors = doors
        self.limits = doors.limits
        self.outbox = doors.outbox
        self.draining = False
        self.arrived: Counters = HereCounters()
        self.deadlines = Deadlines()
        self._lost = Counter(
            "socket_seams_lost", "Times a library's own slower way was taken", ["seam"], registry=doors.registry
        )
        self.entrances: tuple[Entrance, ...] = (
            Entrance("/socket.io/", JsonPacket, doors, self),
            Entrance("/socket.io-msgpack/", MsgpackPacket, doors, self),
        )
        self._by_sid: dict[str, Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = Gauge("socket_connections", "Devices connected", registry=doors.registry)
        commands = Counter("socket_commands", "Answered commands", ["name", "code"], registry=doors.registry)
        self._answered: Callable[[str, str], Counter] = cache(commands.labels)
        self._closings = Counter("socket_closings", "Closed by the server", ["code"], registry=doors.registry)

    async def __aenter__(self) -> Self:
        self.start(renew_for_ever(self.doors), "sockets.renew")
        self.start(renew_at_once(self.doors), "sockets.renew_at_once")
        self.start(sweep_for_ever(self), "sockets.sweep")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        await self.close_all("draining", over=0.0)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for entrance in self.entrances:
            await entrance.io.shutdown()

    def mount(self, app: web.Application) -> None:
        """Add both paths to an application."""
        for entrance in self.entrances:
            app.router.add_route("*", entrance.path, entrance.handle)

    @property
    def full(self) -> bool:
        return (
            self.draining
            or self.doors.load.over
            or sum(len(one.io.eio.sockets) for one in self.entrances) >= self.limits.connections
        )

    @property
    def connected(self) -> list[str]:
        """The connections that are still here, closing or not."""
        return [connection.id for connection in self._by_sid.values()]

    # ── letting in ───────────────────────────────────────────────────────────────────────────────────────────────

    async def connect(self, entrance: Entrance, sid: str, environ: dict[str, Any], auth: object) -> None:
        """Raises python-socketio's refusal `{message, data: {code, …}}`."""
        trace = self.doors.traces.root("connect")
        language = read_languages(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        refused: Refused
        try:
            async with asyncio.timeout(self.limits.ask):
                await admit(self, entrance, sid, auth, trace)
        except Refused as why:
            refused = why
        except TimeoutError:
            refused = TimedOut()
        except Exception as error:  # noqa: BLE001 - the door: a bug is told without its text, and logged once
            refused = self._crashed("sockets.connect_failed", error, trace)
        else:
            if (connection := self._by_sid.get(sid)) is not None:  # else it has gone again
                connection.language = language
            _end(trace, None)
            return
        _end(trace, refused.code)
        raise Refusal(sentence(refused, language), problems.error(refused, trace, language))

    # ── taking commands ──────────────────────────────────────────────────────────────────────────────────────────

    async def command(self, sid: str, words: Words) -> dict[str, Any]:
        """The ack; a refusal nobody waits for is told as `session.error`."""
        connection = self._by_sid.get(sid)
        if connection is None:
            return problems.ack(NotJoined(), new_trace())
        await self._take_breath(connection)
        asked = self._asked(connection, words)
        try:
            if connection.closing:
                raise Unavailable  # noqa: TRY301 - one place turns refusals into acks
            self.doors.load.check()
            return self.ack(connection, asked, await carry_out(self.doors, asked))
        except Exception as error:  # noqa: BLE001 - the door: a bug is told without its text, and logged once
            return self.ack(connection, asked, error)

    def short(self, sid: str, words: Words, answered: Callable[[dict[str, Any]], None]) -> bool:
        """The same without waiting for the answer, which is told; False, and nothing done, when it is not so plain."""
        connection = self._by_sid.get(sid)
        if connection is None or connection.closing or self.doors.load.over:
            return False
        asked = self._asked(connection, words)
        try:
            question = one_question(self.limits, asked)
            if question is None:
                return False
            Waiting(self, connection, asked, answered).ask(question)
        except Exception:  # noqa: BLE001 - nothing was asked yet: the long way tells why, or logs the bug
            return False
        return True

    def ack(self, connection: Connection, asked: Asked, answer: dict[str, Any] | Exception) -> dict[str, Any]:
        """What the device is told, and the count of it."""
        name = _known(asked.name)
        if not isinstance(answer, Exception):
            self._answered(name, "ok").inc()
            _end(asked.trace, None)
            return answer
        if not isinstance(answer, Refused):
            answer = self._crashed("sockets.command_failed", answer, asked.trace, name)
        self._answered(name, answer.code).inc()
        _end(asked.trace, answer.code)
        told = problems.ack(answer, asked.trace, connection.language)
        if not asked.wants_ack:
            connection.tell(Frame("session.error", told["error"]))
        return told

    def _asked(self, connection: Connection, words: Words) -> Asked:
        trace = self.doors.traces.root(_known(words[0]), connection.user_id)
        return Asked(connection.user_id, connection.id, connection.device, *words, trace)

    async def _take_breath(self, connection: Connection) -> None:
        """A device that sends without reading its acks waits; one that never reads them goes."""
        if connection.line.waiting <= self.limits.acks:
            return
        try:
            async with asyncio.timeout(self.limits.stalled):
                await connection.line.drained()
        except TimeoutError:
            self.end(connection, "overloaded")

    def unreadable(self, sid: str) -> None:
        """A frame no command can be read from: told so, and after too many in a minute, gone."""
        connection = self._by_sid.get(sid)
        if connection is None:
            return
        told = problems.error(Unreadable(), new_trace(), connection.language)
        connection.tell(Frame("session.error", told))
        now = asyncio.get_running_loop().time()
        times = connection.unreadable
        times.append(now)
        del times[: -self.limits.unreadable]
        if len(times) == self.limits.unreadable and now - times[0] <= self.limits.unreadable_seconds:
            self.end(connection, "protocol")

    def lost(self, seam: str) -> None:
        self._lost.labels(seam).inc()
        log.warning("sockets.stock", seam=seam)

    def _crashed(self, event: str, error: Exception, trace: Trace, command: str | None = None) -> Crashed:
        log.error(event, trace_id=str(trace), command=command, **crash_site(error))
        return Crashed(effect="unknown")

    # ── letting go ───────────────────────────────────────────────────────────────────────────────────────────────

    def end(self, connection: Connection, code: str) -> None:
        """Begin to close: nothing more is pushed, `session.closing` is said, then the transport goes."""
        if not connection.closing:
            connection.closing = True
            self._closings.labels(code).inc()
            self.start(self._end(connection, code), f"sockets.end:{connection.id}")

    async def _end(self, connection: Connection, code: str) -> None:
        goodbye = {"code": code, "reconnect": code in COMES_BACK, "delay_ms": COMES_BACK.get(code, 0)}
        entrance = next(one for one in self.entrances if one.io is connection.line.server)
        with contextlib.suppress(TimeoutError):  # a stuck device hears nothing; it is closed all the same
            async with asyncio.timeout(self.limits.goodbye):
                await connection.say_goodbye(Frame("session.closing", goodbye))
                if code in FINAL:
                    await entrance.io.disconnect(connection.sid)
                    await connection.line.drained()
        self.forget(connection)
        await connection.line.close(NORMAL if code in FINAL else RESTARTING)

    def disconnect(self, sid: str) -> None:
        """The device has gone."""
        connection = self._by_sid.get(sid)
        if connection is not None:
            self.forget(connection)

    def remember(self, connection: Connection) -> None:
        """From now on events are pushed to it, and its commands taken."""
        self._by_sid[connection.sid] = connection
        self.outbox.add(connection)
        self._count.set(len(self._by_sid))

    def forget(self, connection: Connection) -> None:
        """Its transport has gone, or goes now."""
        if self._by_sid.pop(connection.sid, None) is None:
            return
        connection.stop()
        self.outbox.remove(connection)
        self._count.set(len(self._by_sid))
        with contextlib.suppress(Refused):  # the session forgets a connection that is not renewed
            self.doors.sessions.session(connection.user_id).tell(Detach(connection.id))

    async def close_all(self, code: str, *, over: float) -> None:
        """Take nobody in any more, and close everyone, spread over that many seconds."""
        self.draining = True
        connections = list(self._by_sid.values())
        for connection in connections:
            self.end(connection, code)
            await asyncio.sleep(over / len(connections))
        ending = [task for task in self._tasks if task.get_name().startswith("sockets.end:")]
        if ending:
            await asyncio.wait(ending)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task of this gateway; what it dies of is logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("sockets.task_failed", task=task.get_name().partition(":")[0], **crash_site(error))


def _known(name: str) -> str:
    return name if name in NAMES else "unknown"


def _end(trace: Trace, problem: str | None) -> None:
    if isinstance(trace, Span):
        trace.end(problem)
