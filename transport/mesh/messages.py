"""What actors are asked and answer, as bytes between nodes: a closed table of types, read strictly."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from types import NoneType
from typing import Any, Final

import msgspec

from actors import commands, questions
from actors.domain.refusals import RateLimited
from actors.events import TYPES, UPCASTS, Recorded
from actors.journal.codec import Codec
from actors.journal.orders import Accepted, Order
from actors.runtime.envelope import NotHere, Refused, Unavailable
from transport.mesh.frames import Refusal

PLAIN: Final[tuple[type[Any], ...]] = (
    *(one for one in vars(questions).values() if getattr(one, "__module__", "") == questions.__name__),
    Accepted,
    NoneType,
)
"""Those whose type says all there is to read, but `Events`. The answer of an `Accepted` arrives as builtins."""


class UnsendableError(TypeError):
    """A message that has no place in the table: a bug of whoever sends it."""


class _Order(msgspec.Struct, array_like=True):
    by: str
    cid: str
    name: str
    command: msgspec.Raw
    occurred_at: datetime | None
    head: int | None


class _Told(_Order):
    """An order with its command as it is: packed in one pass, the bytes are the same."""

    command: Any


class _Events(msgspec.Struct, array_like=True):
    places: list[tuple[int, str, datetime]]
    events: bytes
    seq: int
    more: bool


_encode = msgspec.msgpack.Encoder().encode
_codec = Codec(TYPES, UPCASTS)
_decoders: Final = {shape.__name__: msgspec.msgpack.Decoder(shape) for shape in PLAIN}
_commands: Final = {name: msgspec.msgpack.Decoder(command) for command, name in commands.NAMES.items()}
_read_order: Final = msgspec.msgpack.Decoder(_Order).decode
_read_events: Final = msgspec.msgpack.Decoder(_Events).decode


def pack(message: Any) -> tuple[str, msgspec.Raw]:
    """Its name and its body. Raises UnsendableError."""
    name = type(message).__name__
    if type(message) is Order:
        command = commands.NAMES[type(message.command)]
        body = _encode(_Told(message.by, message.cid, command, message.command, message.occurred_at, message.head))
    elif type(message) is questions.Events:
        places = [(one.seq, one.id, one.at) for one in message.events]
        packed = _codec.pack([one.data for one in message.events], None)
        body = _encode(_Events(places, packed, message.seq, message.more))
    elif name in _decoders:
        body = _encode(message)
    else:
        raise UnsendableError(name)
    return name, msgspec.Raw(body)


def unpack(name: str, body: msgspec.Raw) -> Any:
    """The message. Raises Unavailable (its code `unavailable`) for what only a newer program knows."""
    try:
        return _unpack(name, body)
    except (KeyError, msgspec.DecodeError):
        raise Unavailable(retry_after_ms=5000) from None


def _unpack(name: str, body: msgspec.Raw) -> Any:
    if name == Order.__name__:
        order = _read_order(body)
        command = _commands[order.name].decode(order.command)
        return Order(order.by, order.cid, command, order.occurred_at, order.head)
    if name == questions.Events.__name__:
        read = _read_events(body)
        events = zip(read.places, _codec.events(read.events), strict=True)
        recorded = [Recorded(one.version, seq, id, at, one.type, one) for (seq, id, at), one in events]  # noqa: A001 - an event's id
        return questions.Events(recorded, read.seq, read.more)
    return _decoders[name].decode(body)


def refusal(id: int, why: Refused) -> Refusal:  # noqa: A002 - the frame's word
    node = why.node if isinstance(why, NotHere) else None
    fields = None if why.fields is None else dict(why.fields)
    return Refusal(id, why.code, why.effect, why.retry_after_ms, fields, node)


def refused(part: Refusal) -> Refused:
    """The refusal as it was raised there; one only a newer program knows is said to be `unavailable`."""
    if part.node is not None:
        return NotHere(part.node)
    if part.code == RateLimited.code:
        return RateLimited(retry_after_ms=part.retry_after_ms or 0)
    refuse = _by_code().get(part.code, Unavailable)
    return refuse(effect=part.effect, retry_after_ms=part.retry_after_ms, fields=part.fields)


@cache
def _by_code() -> dict[str, type[Refused]]:
    """The first class of each code that is made as `Refused` itself is; all are there once something was refused."""
    found: dict[str, type[Refused]] = {}
    for one in _below(Refused):
        if one.__init__ is Refused.__init__:
            found.setdefault(one.code, one)
    return found


def _below(kind: type[Refused]) -> Iterator[type[Refused]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _below(one)
