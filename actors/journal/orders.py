"""What a journaled actor is asked to do, what its decision needs and leads to, and what its asker gets."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from actors.runtime.envelope import Refused


class Order(msgspec.Struct, frozen=True):
    """A command with its author and the author's cid: the same cid again has no second effect.

    `occurred_at` is when its author did it, if that was before they could say so; it is no part of what a cid means.
    With a `head` it is decided only while the log ends there; whoever decides refuses it otherwise.
    """

    by: str
    cid: str
    command: Any
    occurred_at: datetime | None = None
    head: int | None = None


class Accepted(msgspec.Struct, frozen=True):
    """A command is in the log; `seq` is the head it left. `repeated`: it had been accepted before."""

    seq: int
    answer: Any
    repeated: bool = False


class Stamp(msgspec.Struct, frozen=True):
    """What a pure decision needs from the world: the time, the seq its first event gets, and fresh ids.

    `occurred_at` is the order's; the asked has to look whether it believes it.
    """

    at: datetime
    seq: int
    new_id: Callable[[], str]
    occurred_at: datetime | None = None


class Decided(msgspec.Struct, frozen=True):
    """What a command leads to: its events, and the answer its author gets (and gets again for the same cid)."""

    events: Sequence[Any]
    answer: Any


class TooMuch(Refused):
    code = "too_large"
    message = "This would change more at once than can be kept together."
