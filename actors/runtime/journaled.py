"""An actor whose state is a fold over its own log: decide → fold → append → adopt → project."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec


class Order(msgspec.Struct, frozen=True):
    """A command with its author and the author's cid: the same cid again has no second effect."""

    by: str
    cid: str
    command: Any


class Accepted(msgspec.Struct, frozen=True):
    """A command is in the log, its rows are written; `seq` is the head it left. `repeated`: it was there before."""

    seq: int
    answer: Any
    repeated: bool = False


class Stamp(msgspec.Struct, frozen=True):
    """What a pure decision needs from the world: the time, the seq its first event gets, and fresh ids."""

    at: datetime
    seq: int
    new_id: Callable[[], str]


class Decided(msgspec.Struct, frozen=True):
    """What a command leads to: its events, and the answer its author gets (and gets again for the same cid)."""

    events: Sequence[Any]
    answer: Any
