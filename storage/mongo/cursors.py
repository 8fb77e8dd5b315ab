"""Opaque places in a list: signed, so that one that was never given out is refused."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hmac import compare_digest
from typing import Any, TypeVar

import msgspec

from actors.domain.refusals import Invalid

Digest = Callable[[bytes], bytes]
T = TypeVar("T")
TAG = 12
LONGEST = 512


class Cursors:
    """Gives and takes cursors of one kind of list. `scope` is what else a page depends on: whose list, which filter."""

    def __init__(self, kind: str, digest: Digest) -> None:
        self._kind = kind
        self._digest = digest

    def give(self, scope: Sequence[str | None], after: Any) -> str:
        """The cursor of the page that begins after that entry."""
        packed = msgspec.msgpack.encode(after)
        return urlsafe_b64encode(self._tag(scope, packed) + packed).decode().rstrip("=")

    def take(self, scope: Sequence[str | None], cursor: str, type: type[T]) -> T:  # noqa: A002 - msgspec's word
        """What `give` was given. Raises Invalid for anything it did not make for that scope."""
        if len(cursor) > LONGEST:
            raise _unknown()
        try:
            given = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError:
            raise _unknown() from None
        packed = given[TAG:]
        if not compare_digest(given[:TAG], self._tag(scope, packed)):
            raise _unknown()
        return msgspec.msgpack.decode(packed, type=type)

    def _tag(self, scope: Sequence[str | None], packed: bytes) -> bytes:
        return self._digest(msgspec.msgpack.encode(("cursor", self._kind, scope, packed)))[:TAG]


def _unknown() -> Invalid:
    return Invalid(fields={"cursor": "was not given out for this list"})
