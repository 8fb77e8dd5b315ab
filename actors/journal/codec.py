"""Documents as bytes: events packed with their type and version, older versions cast up on the way in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from actors.runtime.envelope import Unavailable

Upcasts = Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]


class TooNew(Unavailable):
    """The log is right, and this program too old for it: an event type or version (`event`) a newer one wrote."""

    def __init__(self, event: str) -> None:
        super().__init__(retry_after_ms=5000)
        self.event = event


_BODY = msgspec.msgpack.Decoder(tuple[list[tuple[str, int, msgspec.Raw]], msgspec.Raw])


class Codec:
    """Packs events of the given types, each with `type` and `version` as class variables."""

    def __init__(self, types: Mapping[str, type[Any]], upcasts: Upcasts) -> None:
        self._types = types
        self._upcasts = upcasts
        self._decoders = {name: msgspec.msgpack.Decoder(event) for name, event in types.items()}
        self._encoder = msgspec.msgpack.Encoder()

    def pack(self, events: Sequence[Any], answer: Any) -> bytes:
        """The body of a document."""
        return self._encoder.encode(([(event.type, event.version, event) for event in events], answer))

    def events(self, body: bytes) -> list[Any]:
        """The events of a body, as this program knows them. Raises TooNew."""
        return [self._event(*triple) for triple in _BODY.decode(body)[0]]

    def answer(self, body: bytes) -> Any:
        """The answer of a body, as builtins."""
        return msgspec.msgpack.decode(_BODY.decode(body)[1])

    def _event(self, name: str, version: int, packed: msgspec.Raw) -> Any:
        known = self._types.get(name)
        if known is None or version > known.version:
            raise TooNew(f"{name} v{version}")
        if version == known.version:
            return self._decoders[name].decode(packed)
        fields = msgspec.msgpack.decode(packed)
        for older in range(version, known.version):
            fields = self._upcasts[name, older](fields)
        return msgspec.convert(fields, known)
