"""The AsyncAPI 3 document: what devices send and get over Socket.IO, from the same tables that are dispatched by."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final, Literal

import msgspec

from actors.commands import PUBLIC, Id
from actors.domain import refusals as why
from actors.domain.conversation import Message
from actors.events import TYPES, Event, MessageAdded, Recorded
from actors.questions import CallAnswered
from actors.runtime.envelope import Refused
from transport import problems
from transport.calling import Offer
from transport.contract import codes
from transport.contract.codes import Error
from transport.contract.examples import example
from transport.contract.openapi import VERSION
from transport.contract.promises import PROMISES, with_seq
from transport.contract.schemas import Schema, Schemas, grown
from transport.contract.words import SIGNALS, WORDS
from transport.ops import Ops, Results
from transport.presence import People, PeopleAsked, PresenceChosen
from transport.sockets.arrivals import Auth
from transport.sockets.commands import CallCandidate, End, History, Sync, Typing

ABOUT: Final = """\
Stock Socket.IO 4 clients: `/socket.io/` speaks JSON, `/socket.io-msgpack/` msgpack; the namespace is `/`. Connect with
the payload `Auth`. Every command is an emit with an ack; its name is the event's name, and a `cid` (any UUID, best a v7)
makes it happen once, however often it is sent. An ack is `{ok: true, …}` or `{ok: false, error}`. `event` is durable: a
gapless `seq` for each user, replayed from `since`. `signal` is not replayed. Within `/v1` things are only ever added:
take no notice of what you do not know.
"""
_CHANNEL: Final = "#/channels/session"


class Synced(msgspec.Struct, frozen=True):
    """Events that came after `since`, in order; `seq` is the head of the log, `more` whether some remain."""

    events: tuple[Recorded, ...]
    seq: int
    more: bool


class Messages(msgspec.Struct, frozen=True):
    """Newest first; `next` is the `before` of the page after, null on the last."""

    messages: tuple[Message, ...]
    next: int | None


class Told(msgspec.Struct, frozen=True):
    """Nothing more to say."""


class Refusal(msgspec.Struct, frozen=True):
    """The ack of what was not carried out."""

    ok: Literal[False]
    error: Error


class Question(msgspec.Struct, frozen=True):
    """A command without a cid: it changes nothing, or what is in it has cids."""

    summary: str
    body: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    refuses: tuple[type[Refused], ...] = ()


QUESTIONS: Final = {
    "sync": Question("What was missed", Sync, Synced),
    "chat.history": Question("Messages, newest first", History, Messages),
    "chat.typing": Question("The user types here, or stops: a signal to their other devices", Typing, Told),
    "presence.set": Question("Whether the user looks at this device", PresenceChosen, Told),
    "presence.show": Question(
        "Who of these people is online, away, or was last seen when; those who hide it are left out",
        PeopleAsked,
        People,
        (why.RateLimited,),
    ),
    "call.offer": Question(
        "Begin a call, or connect anew to the one there is",
        Offer,
        CallAnswered,
        (why.BadOffer, why.CallBusy, why.CallNotFound, why.NoCalls),
    ),
    "call.candidate": Question(
        "A network address of the device in a call", CallCandidate, Told, (why.BadCandidate, why.CallNotFound)
    ),
    "call.end": Question("Hang up", End, Told, (why.CallNotFound,)),
    "ops": Question("What a device did offline, in order", Ops, Results),
}


class Said(msgspec.Struct, frozen=True):
    """One message of the document: `name` is what is emitted, `key` tells several of one name apart."""

    key: str
    name: str
    summary: str
    payload: Any
    example: Any


def document() -> Schema:
    """The whole of it."""
    said = [*_commands(), *_emitted()]
    schemas = Schemas([Auth, *(one.payload for one in said)])
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "LifeBuddy", "version": VERSION, "description": ABOUT, "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "servers": {
            "json": {"host": "localhost", "pathname": "/socket.io/", "protocol": "socket.io"},
            "msgpack": {"host": "localhost", "pathname": "/socket.io-msgpack/", "protocol": "socket.io"},
        },
        "channels": {
            "session": {
                "address": "/",
                "description": "The default namespace; connecting carries `Auth`.",
                "messages": {one.key: _message(one, schemas) for one in said},
            }
        },
        "operations": dict(_operations(said)),
        "components": {"schemas": schemas.components},
        "x-auth": schemas.of(Auth),
        "x-codes": codes.listed(refusals()),
    }


def refusals() -> Iterator[type[Refused]]:
    """All a device may be refused with."""
    yield from codes.ANYWHERE
    yield from codes.SIGNED_IN
    yield why.TokenSpent
    yield from codes.ON_SOCKETS
    yield from codes.WRITING
    for promise in PROMISES.values():
        yield from promise.refuses
    for question in QUESTIONS.values():
        yield from question.refuses


def _commands() -> Iterator[Said]:
    for name, command in PUBLIC.items():
        promise = PROMISES[name]
        yield _said(name, promise.summary, grown(command, command.__name__, cid=Id))
        yield _said(f"{name}.ack", "Carried out", _ack(with_seq(promise.answer)), name=name)
    for name, question in QUESTIONS.items():
        yield _said(name, question.summary, question.body)
        yield _said(f"{name}.ack", "Answered", _ack(question.answer), name=name)
    refusal = problems.ack(codes.refusal_example(codes.ANYWHERE[0]), str(example(str, "trace_id")))
    yield Said("refusal.ack", "ack", "Not carried out", Refusal, refusal)


def _emitted() -> Iterator[Said]:
    for name, word in WORDS.items():
        yield _said(name, word.__doc__ or name, word)
    yield _said("session.error", "A frame without an ack, or one no command could be read from, was refused", Error)
    for kind, event in TYPES.items():
        yield _said(f"event.{kind}", f"Durable: {kind}", _recorded(kind, event), name="event")
    for kind, signal in SIGNALS.items():
        yield _said(f"signal.{kind}", signal.__doc__ or kind, _signal(kind, signal), name="signal")


def _said(key: str, summary: str, payload: Any, *, name: str | None = None) -> Said:
    return Said(key, name or key, summary, payload, example(payload))


@cache
def _ack(answer: type[msgspec.Struct]) -> type[msgspec.Struct]:
    return grown(answer, f"{answer.__name__}Ack", ok=Literal[True])


def _recorded(kind: str, event: type[Event]) -> type[msgspec.Struct]:
    """`wire.pack_event` shows a message whole, with its place and its time."""
    fields = {field.name: field.type for field in msgspec.structs.fields(Message)}
    added = {"seq": int, "created_at": fields["created_at"]} if event is MessageAdded else {}
    shown = grown(event, event.__name__, **added)
    return grown(Recorded, f"{event.__name__}Event", type=Literal[kind], data=shown)


def _signal(kind: str, signal: type[msgspec.Struct]) -> type[msgspec.Struct]:
    return msgspec.defstruct(f"{signal.__name__}Signal", [("type", Literal[kind]), ("data", signal)], frozen=True)


def _message(one: Said, schemas: Schemas) -> Schema:
    said = {"name": one.name, "title": one.key, "summary": one.summary, "payload": schemas.of(one.payload)}
    return {**said, "examples": [{"name": "example", "payload": one.example}]}


def _operations(said: Iterable[Said]) -> Iterator[tuple[str, Schema]]:
    keys = {one.key for one in said}
    for one in said:
        if f"{one.key}.ack" in keys:
            reply = {"channel": {"$ref": _CHANNEL}, "messages": [_at(f"{one.key}.ack"), _at("refusal.ack")]}
            yield one.key, _operation("receive", one) | {"reply": reply}
        elif not one.key.endswith(".ack"):
            yield one.key, _operation("send", one)


def _operation(action: str, one: Said) -> Schema:
    return {"action": action, "summary": one.summary, "channel": {"$ref": _CHANNEL}, "messages": [_at(one.key)]}


def _at(key: str) -> Schema:
    return {"$ref": f"{_CHANNEL}/messages/{key}"}
