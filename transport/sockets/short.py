"""Acks on their way without a task: each is told the answer in the session's own step, and writes at once."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from actors.runtime.envelope import Envelope, Refused
from transport.sockets.commands import Asked, Question, Render
from transport.sockets.connection import Connection
from transport.sockets.doors import SocketDoors


class Deadlines:
    """One time limit for many asks: a timer of the loop for each costs more than all else the runtime does for it."""

    def __init__(self) -> None:
        self._asks: deque[Envelope] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, ask: Envelope) -> None:
        """Have it expire in time. Those before it had no longer."""
        self._sweep(-1.0)
        self._asks.append(ask)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(ask.until, self._ring)

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep(loop.time())
        self._timer = loop.call_at(self._asks[0].until, self._ring) if self._asks else None

    def _sweep(self, now: float) -> None:
        asks = self._asks
        while asks and (asks[0].until <= now or asks[0].reply is None or asks[0].reply.done()):
            asks.popleft().expire()


class Acks(Protocol):
    """Whoever makes acks of answers."""

    doors: SocketDoors
    deadlines: Deadlines

    def ack(self, connection: Connection, asked: Asked, answer: dict[str, Any] | Exception) -> dict[str, Any]: ...


class Waiting:
    """The `Reply` of one command; `answered` writes its ack."""

    __slots__ = ("_acks", "_answered", "_asked", "_connection", "_done", "_render")

    def __init__(
        self, acks: Acks, connection: Connection, asked: Asked, answered: Callable[[dict[str, Any]], None]
    ) -> None:
        self._acks = acks
        self._connection = connection
        self._asked = asked
        self._answered = answered
        self._done = False
        self._render: Render

    def ask(self, question: Question) -> None:
        """Raises Refused when the session does not even take the question."""
        message, self._render = question
        doors, asked = self._acks.doors, self._asked
        session = doors.sessions.session(asked.user_id)
        self._acks.deadlines.add(session.request(message, self, timeout=doors.limits.ask, trace=asked.trace))

    def done(self) -> bool:
        return self._done

    def set_result(self, result: Any, /) -> None:
        try:
            self._tell(self._render(result))
        except Exception as error:  # noqa: BLE001 - the door: a bug here is not the session's
            self._tell(error)

    def set_exception(self, exception: Refused, /) -> None:
        self._tell(exception)

    def _tell(self, answer: dict[str, Any] | Exception) -> None:
        self._done = True
        self._answered(self._acks.ack(self._connection, self._asked, answer))
