"""What nodes send each other: packed, signed, numbered, and for one node alone. Pure."""

import hmac
from typing import Final, Literal

import msgspec

from actors.runtime.envelope import Effect

VERSION: Final = b"\x01"
_MAC: Final = 32
REMEMBERED: Final = 10_000
"""Senders whose last number is known; nodes are never the same twice, so it takes years to have seen more."""

Flaw = Literal["truncated", "version", "forged", "unreadable", "misaddressed", "replayed"]


class Ask(msgspec.Struct, array_like=True, tag=1, gc=False):
    """A message for an address. `id` 0: nobody waits for an answer; others wait `within` ms more.

    `hops` is how often it was sent on before: above 0 the placement was just looked up.
    """

    id: int
    address: str
    name: str
    body: msgspec.Raw
    within: int
    hops: int
    trace: str | None


class Answer(msgspec.Struct, array_like=True, tag=2, gc=False):
    id: int
    name: str
    body: msgspec.Raw


class Refusal(msgspec.Struct, array_like=True, tag=3, gc=False):
    """`node`: the address does not live there but at that node, if it is known; None for any other refusal."""

    id: int
    code: str
    effect: Effect
    retry_after_ms: int | None
    fields: dict[str, str] | None
    node: str | None


class Hint(msgspec.Struct, array_like=True, tag=4, gc=False):
    """Something the doors of a node may want to know of an address; losing it costs time only."""

    address: str
    name: str
    body: msgspec.Raw


Part = Ask | Answer | Refusal | Hint


class _Frame(msgspec.Struct, array_like=True, gc=False):
    sender: str
    to: str
    number: int
    parts: list[Part]


class BadFrame(Exception):  # noqa: N818 - whoever can reach Redis can cause it
    """Not a frame of this installation, for this node, for the first time."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw)
        self.flaw: Flaw = flaw


class Frames:
    """`VERSION · HMAC-SHA-256 of the rest · msgpack`: one node's own, and those it gets.

    A channel keeps the order, so a number that is not above the last of its sender was there before, or came too late.
    """

    def __init__(self, node: str, key: bytes) -> None:
        self._node = node
        self._key = key
        self._number = 0
        self._seen: dict[str, int] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Frame)

    def pack(self, to: str, parts: list[Part]) -> bytes:
        self._number += 1
        body = self._encoder.encode(_Frame(self._node, to, self._number, parts))
        return VERSION + self._mac(body) + body

    def unpack(self, frame: bytes) -> tuple[str, list[Part]]:
        """Who sent it, and what. Raises BadFrame."""
        if frame[:1] != VERSION:
            raise BadFrame("version" if frame else "truncated")
        mac, body = frame[1 : 1 + _MAC], frame[1 + _MAC :]
        if not body:
            raise BadFrame("truncated")
        if not hmac.compare_digest(mac, self._mac(body)):
            raise BadFrame("forged")
        try:
            read = self._decoder.decode(body)
        except msgspec.DecodeError:
            raise BadFrame("unreadable") from None
        if read.to != self._node:
            raise BadFrame("misaddressed")
        if read.number <= self._seen.get(read.sender, 0):
            raise BadFrame("replayed")
        self._remember(read.sender, read.number)
        return read.sender, read.parts

    def _remember(self, sender: str, number: int) -> None:
        if len(self._seen) >= REMEMBERED and sender not in self._seen:
            del self._seen[next(iter(self._seen))]
        self._seen[sender] = number

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, VERSION + body, "sha256")
