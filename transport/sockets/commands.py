"""What a device may ask for over a socket: public commands, many at once, and what it missed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from actors.commands import PUBLIC
from actors.domain.conversation import COACH
from actors.domain.refusals import TooLarge, UnknownCommand
from actors.questions import Events, Missed
from actors.runtime.journaled import Accepted, Order
from transport import ops, wire
from transport.sockets.doors import SocketDoors


class Sync(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[int, Meta(ge=0)]
    limit: Annotated[int, Meta(ge=1, le=500)] = 500


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    before: Annotated[int, Meta(ge=0)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    thread: Literal["coach"] = COACH


class Asked(msgspec.Struct, frozen=True):
    """One command as it came: who sent it, what it is called, its body, and how many bytes its frame had."""

    user_id: str
    name: str
    body: Any
    size: int
    trace: str


Answer = Callable[[SocketDoors, Asked], Awaitable[dict[str, Any]]]


async def carry_out(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """The ack `{ok: true, seq, …}`. Raises what it is refused with."""
    if asked.name not in NAMES:
        raise UnknownCommand
    if asked.size > (doors.limits.ops if asked.name == "ops" else doors.limits.command):
        raise TooLarge
    return {"ok": True, **await QUESTIONS.get(asked.name, _command)(doors, asked)}


async def _command(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    cid, command = wire.read_command(asked.name, asked.body)
    accepted: Accepted = await _ask(doors, asked, Order(asked.user_id, cid, command))
    return {**wire.pack(accepted.answer), "seq": accepted.seq}


async def _sync(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """`{events, seq, more}`."""
    sync = wire.read(Sync, asked.body)
    missed: Events = await _ask(doors, asked, Missed(sync.since, sync.limit))
    return {"events": [wire.pack_event(one) for one in missed.events], "seq": missed.seq, "more": missed.more}


async def _history(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """`{messages, next}`, newest first; `next` is the `before` of the page after, null on the last."""
    history = wire.read(History, asked.body)
    rows = doors.messages
    messages = await rows.list(asked.user_id, thread=history.thread, before=history.before, limit=history.limit)
    more = len(messages) == history.limit
    return {"messages": wire.pack(messages), "next": messages[-1].seq if more else None}


async def _ops(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """`{results}`: one for each op."""
    given = wire.read(ops.Ops, asked.body)
    session = doors.sessions.session(asked.user_id)
    done = await ops.carry_out(session, asked.user_id, given.ops, ask=doors.limits.ask, trace=asked.trace)
    packed: dict[str, Any] = wire.pack(done)
    return packed


async def _ask(doors: SocketDoors, asked: Asked, message: Any) -> Any:
    session = doors.sessions.session(asked.user_id)
    return await session.ask(message, timeout=doors.limits.ask, trace=asked.trace)


QUESTIONS: Final[Mapping[str, Answer]] = {"sync": _sync, "chat.history": _history, "ops": _ops}
NAMES: Final = frozenset(PUBLIC) | frozenset(QUESTIONS)
"""Whatever may be sent. Nothing else is dispatched."""
