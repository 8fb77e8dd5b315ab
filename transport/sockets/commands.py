"""What a device may ask for over a socket: public commands, many at once, and what it missed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from actors.commands import PUBLIC, Id
from actors.domain.conversation import COACH
from actors.domain.refusals import TooLarge, UnknownCommand
from actors.journal.journaled import Accepted, Order
from actors.questions import CallAnswered, EndCall, Events, Missed, SetAway, Typed
from actors.runtime.tracing import Trace
from transport import ops, wire
from transport.calling import IceCandidate, Offer
from transport.presence import PeopleAsked, PresenceChosen
from transport.sockets.doors import SocketDoors
from transport.sockets.limits import Limits


class Sync(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    since: Annotated[int, Meta(ge=0)]
    limit: Annotated[int, Meta(ge=1, le=500)] = 500


class History(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    before: Annotated[int, Meta(ge=0)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    thread: Literal["coach"] = COACH


class Typing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`on` holds for ten seconds, unless it is said again."""

    on: bool
    thread: Literal["coach"] = COACH


class CallCandidate(IceCandidate, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An address of the device in this call."""

    call_id: Id


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    call_id: Id


class Asked(msgspec.Struct, frozen=True):
    """One command as it came: by whom, which connection and device, its name, its body, how many bytes its frame had."""

    user_id: str
    connection: str
    device: str
    name: str
    body: Any
    size: int
    wants_ack: bool
    trace: Trace


Answer = Callable[[SocketDoors, Asked], Awaitable[dict[str, Any]]]
Render = Callable[[Any], dict[str, Any]]
Question = tuple[Any, Render]
"""One message to the user's session, and what makes the ack of its answer."""


async def carry_out(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """The ack `{ok: true, seq, …}`. Raises what it is refused with."""
    question = one_question(doors.limits, asked)
    if question is None:
        return {"ok": True, **await SEVERAL[asked.name](doors, asked)}
    message, render = question
    session = doors.sessions.session(asked.user_id)
    return render(await session.ask(message, timeout=doors.limits.ask, trace=asked.trace))


def one_question(limits: Limits, asked: Asked) -> Question | None:
    """What the session is to be asked; None when there is more to it. Raises what the command is refused with."""
    if asked.name not in NAMES:
        raise UnknownCommand
    if asked.size > (limits.ops if asked.name == "ops" else limits.command):
        raise TooLarge
    if asked.name in SEVERAL:
        return None
    if asked.name in QUESTIONS:
        return QUESTIONS[asked.name](asked)
    cid, command = wire.read_command(asked.name, asked.body)
    return Order(asked.user_id, cid, command), _accepted


def _accepted(accepted: Accepted) -> dict[str, Any]:
    return {"ok": True, **wire.pack(accepted.answer), "seq": accepted.seq}


def _missed(missed: Events) -> dict[str, Any]:
    """`{events, seq, more}`."""
    events = [wire.pack_event(one) for one in missed.events]
    return {"ok": True, "events": events, "seq": missed.seq, "more": missed.more}


def _sync(asked: Asked) -> Question:
    sync = wire.read(Sync, asked.body)
    return Missed(sync.since, sync.limit), _missed


def _offer(asked: Asked) -> Question:
    return wire.read(Offer, asked.body).question(asked.device), _answered


def _answered(answered: CallAnswered) -> dict[str, Any]:
    return {"ok": True, **wire.pack(answered)}


def _candidate(asked: Asked) -> Question:
    told = wire.read(CallCandidate, asked.body)
    return told.question(told.call_id), _nothing


def _end(asked: Asked) -> Question:
    return EndCall(wire.read(End, asked.body).call_id), _nothing


def _nothing(_: object) -> dict[str, Any]:
    return {"ok": True}


async def _history(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """`{messages, next}`, newest first; `next` is the `before` of the page after, null on the last."""
    history = wire.read(History, asked.body)
    rows = doors.messages
    messages = await rows.list(asked.user_id, thread=history.thread, before=history.before, limit=history.limit)
    more = len(messages) == history.limit
    return {"messages": wire.pack(messages), "next": messages[-1].seq if more else None}


async def _typing(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """Nothing: a signal to the user's other devices is all that follows."""
    typing = wire.read(Typing, asked.body)
    doors.sessions.session(asked.user_id).tell(Typed(asked.connection, typing.thread, typing.on))
    return {}


async def _presence_set(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """Nothing. The gateway keeps it too: it says so again with each renewal."""
    away = wire.read(PresenceChosen, asked.body).state == "away"
    for connection in doors.outbox.of(asked.user_id):
        if connection.id == asked.connection:
            connection.away = away
    doors.sessions.session(asked.user_id).tell(SetAway(asked.connection, away))
    return {}


async def _presence_show(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """`{items}`: those whom the user may see."""
    given = wire.read(PeopleAsked, asked.body)
    packed: dict[str, Any] = wire.pack(await doors.presences.of(asked.user_id, given.user_ids, asked.trace))
    return packed


async def _ops(doors: SocketDoors, asked: Asked) -> dict[str, Any]:
    """`{results}`: one for each op."""
    given = wire.read(ops.Ops, asked.body)
    session = doors.sessions.session(asked.user_id)
    done = await ops.carry_out(session, asked.user_id, given.ops, ask=doors.limits.ask, trace=asked.trace)
    packed: dict[str, Any] = wire.pack(done)
    return packed


SEVERAL: Final[Mapping[str, Answer]] = {
    "chat.history": _history,
    "chat.typing": _typing,
    "presence.set": _presence_set,
    "presence.show": _presence_show,
    "ops": _ops,
}
"""What takes no question to the session, or more than one."""
QUESTIONS: Final[Mapping[str, Callable[[Asked], Question]]] = {
    "sync": _sync,
    "call.offer": _offer,
    "call.candidate": _candidate,
    "call.end": _end,
}
"""One question to the session, which is no command: it has no cid."""
NAMES: Final = frozenset(PUBLIC) | frozenset(SEVERAL) | frozenset(QUESTIONS)
"""Whatever may be sent. Nothing else is dispatched."""
