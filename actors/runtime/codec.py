"""Documents as bytes: events packed with their type and version, older versions cast up on the way in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

Upcasts = Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]


class TooNew(Exception):  # noqa: N818 - the log is right, this program is too old for it
    """An event type or version this program does not know: a newer one wrote it."""


class _Triple(msgspec.Struct, frozen=True, array_like=True):
    type: str
    version: int
    fields: msgspec.Raw


class _Body(msgspec.Struct, frozen=True, array_like=True):
    events: list[_Triple]
    answer: msgspec.Raw


class Codec:
    """Packs events of the given types, each with `type` and `version` as class variables."""

    def __init__(self, types: Mapping[str, type[Any]], upcasts: Upcasts) -> None:
        self._types = types
        self._upcasts = upcasts
        self._decoders = {name: msgspec.msgpack.Decoder(event) for name, event in types.items()}
        self._encoder = msgspec.msgpack.Encoder()
        self._bodies = msgspec.msgpack.Decoder(_Body)

    def pack(self, events: Sequence[Any], answer: Any) -> bytes:
        """The body of a document."""
        return self._encoder.encode(([(event.type, event.version, event) for event in events], answer))

    def events(self, body: bytes) -> list[Any]:
        """The events of a body, as this program knows them. Raises TooNew."""
        return [self._event(triple) for triple in self._bodies.decode(body).events]

    def answer(self, body: bytes) -> Any:
        """The answer of a body, as builtins."""
        return msgspec.msgpack.decode(self._bodies.decode(body).answer)

    def _event(self, triple: _Triple) -> Any:
        known = self._types.get(triple.type)
        if known is None or triple.version > known.version:
            raise TooNew(f"{triple.type} v{triple.version}")
        if triple.version == known.version:
            return self._decoders[triple.type].decode(triple.fields)
        fields = msgspec.msgpack.decode(triple.fields)
        for version in range(triple.version, known.version):
            fields = self._upcasts[triple.type, version](fields)
        return msgspec.convert(fields, known)
