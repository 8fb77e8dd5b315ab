"""Socket.IO packets, JSON and msgpack, that can be decoded from anything.

Whatever arrives becomes a connect, a disconnect, a `COMMAND` or an `UNREADABLE`, so that no name a client sends is
ever looked up as a handler: python-socketio would call its own `connect` for `42["connect",…]`.
"""

import re
from typing import Any, Final

import msgspec
from socketio import packet
from socketio.msgpack_packet import MsgPackPacket

COMMAND: Final = "command"
"""`[COMMAND, name, body, size of the frame in bytes, whether an ack is wanted]`"""
UNREADABLE: Final = "unreadable"
"""`[UNREADABLE]`"""

Words = tuple[str, Any, int, bool]
"""A command as it came: its name, its body, the size of its frame in bytes, whether an ack is wanted."""
Plain = tuple[int | None, Words]
"""The number of the ack, if one is wanted, and the command."""

_RESERVED: Final = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"},
)
_MAX_ID: Final = 2**53
_EVENT: Final = re.compile(r"2(\d{0,16})(?=\[)", re.ASCII)
_MESSAGE: Final = re.compile(r"42(\d{0,15})(?=\[)", re.ASCII)
"""How an event of the namespace `/` begins: nearly every packet there is, read here without the library's detours."""


class _Json:
    """The JSON a packet is made of: strict on the way in, compact on the way out."""

    @staticmethod
    def loads(text: str) -> Any:
        return msgspec.json.decode(text)

    @staticmethod
    def dumps(tree: Any, **_style: Any) -> str:
        return msgspec.json.encode(tree).decode()


def _settle(incoming: packet.Packet, size: int) -> None:
    """Make of a parsed packet one that python-socketio may dispatch."""
    kind, namespace, ack = incoming.packet_type, incoming.namespace, incoming.id
    whole = type(kind) is int and isinstance(namespace, str | None) and (ack is None or type(ack) is int)
    if whole and kind in {packet.CONNECT, packet.DISCONNECT}:
        return
    words = incoming.data
    if whole and kind == packet.EVENT and 0 <= (ack or 0) < _MAX_ID and _is_command(words):
        body = words[1] if len(words) == 2 else {}
        incoming.data = [COMMAND, words[0], body, size, ack is not None]
    else:
        _spoil(incoming)


def _plain(ack: int | None, words: Any, size: int) -> Plain | None:
    """A command as plain as nearly all are; None for what else may make sense."""
    if type(words) is list and len(words) == 2 and type(words[0]) is str:
        return ack, (words[0], words[1], size, ack is not None)
    return None


def _is_command(words: Any) -> bool:
    if not isinstance(words, list) or not 1 <= len(words) <= 2 or not isinstance(words[0], str):
        return False
    return words[0] not in _RESERVED and not words[0].startswith("__")


def _spoil(incoming: packet.Packet) -> None:
    incoming.packet_type, incoming.data, incoming.id, incoming.namespace = packet.EVENT, [UNREADABLE], None, "/"


class _Lenient:
    """What both kinds share: decoding never raises, an empty frame included; `_parse` says whether it was a packet."""

    def __init__(self, *fields: Any, encoded_packet: str | bytes | None = None, **named: Any) -> None:
        super().__init__(*fields, **named)
        if encoded_packet is not None:
            self.decode(encoded_packet)

    def decode(self, frame: str | bytes) -> int:
        if self._parse(frame):
            _settle(self, len(frame.encode() if isinstance(frame, str) else frame))
        else:
            _spoil(self)
        return 0

    def _parse(self, frame: str | bytes) -> bool:
        raise NotImplementedError


class JsonPacket(_Lenient, packet.Packet):  # type: ignore[misc] # python-socketio is not annotated
    """What stock clients speak."""

    uses_binary_events = False
    json = _Json

    @staticmethod
    def command(frame: Any) -> Plain | None:
        """The command in an Engine.IO message; None for everything that is not plainly one."""
        begins = _MESSAGE.match(frame) if type(frame) is str and frame.isascii() else None
        if begins is None:
            return None
        try:
            words = msgspec.json.decode(frame[begins.end() :])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return _plain(int(begins[1]) if begins[1] else None, words, len(frame) - 1)

    @staticmethod
    def ack(number: int, answer: dict[str, Any]) -> str:
        """The payload of the message that answers command `number`."""
        return f"{packet.ACK}{number}[{_Json.dumps(answer)}]"

    def encode(self) -> Any:
        if self.namespace not in {None, "/"}:
            return super().encode()
        ack, data = "" if self.id is None else self.id, "" if self.data is None else _Json.dumps(self.data)
        return f"{self.packet_type}{ack}{data}"

    def _parse(self, frame: str | bytes) -> bool:
        if not isinstance(frame, str):
            return False
        begins = _EVENT.match(frame)
        try:
            if begins is None:
                packet.Packet.decode(self, frame)
            else:
                self.packet_type, self.namespace, self.id = packet.EVENT, "/", int(begins[1]) if begins[1] else None
                self.data = _Json.loads(frame[begins.end() :])
        except Exception:  # noqa: BLE001 - the library raises whatever it stumbles over; each is one and the same answer
            return False
        return True


class MsgpackPacket(_Lenient, MsgPackPacket):  # type: ignore[misc] # python-socketio is not annotated
    """What clients with socket.io-msgpack-parser speak. Absent fields are left out: the parser takes no null."""

    @staticmethod
    def command(frame: Any) -> Plain | None:
        """As that of JSON."""
        if type(frame) is not bytes:
            return None
        try:
            fields = msgspec.msgpack.decode(frame)
            ack = fields.get("id")
            if fields["type"] != packet.EVENT or fields["nsp"] != "/":
                return None
        except (msgspec.MsgspecError, TypeError, KeyError, AttributeError, ValueError, RecursionError):
            return None
        if not (ack is None or (type(ack) is int and 0 <= ack < _MAX_ID)):
            return None
        return _plain(ack, fields.get("data"), len(frame))

    @staticmethod
    def ack(number: int, answer: dict[str, Any]) -> bytes:
        """As that of JSON."""
        return msgspec.msgpack.encode({"type": packet.ACK, "nsp": "/", "data": [answer], "id": number})

    def encode(self) -> bytes:
        fields = {"type": self.packet_type, "nsp": self.namespace or "/", "data": self.data, "id": self.id}
        return msgspec.msgpack.encode({name: value for name, value in fields.items() if value is not None})

    def _parse(self, frame: str | bytes) -> bool:
        if not isinstance(frame, bytes):
            return False
        try:
            fields = msgspec.msgpack.decode(frame)
            self.packet_type, self.namespace = fields["type"], fields["nsp"]
            self.data, self.id = fields.get("data"), fields.get("id")
        except (msgspec.MsgspecError, TypeError, KeyError, AttributeError, ValueError, RecursionError):
            return False
        return True


Kind = type[JsonPacket] | type[MsgpackPacket]
"""A way to speak: how packets are encoded."""
