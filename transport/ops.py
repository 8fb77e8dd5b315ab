"""What a device did offline: commands in order, each its own, with the time its user did it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.domain.refusals import TooLarge
from actors.journal.journaled import Accepted, Order
from actors.questions import TakeOps
from actors.runtime.envelope import Overloaded, Refused, TimedOut, Unavailable
from actors.runtime.tracing import Trace
from transport import problems, wire
from transport.asking import Session
from transport.contract.codes import Error

MAX_OPS: Final = 500
WITHIN: Final = 20.0
"""Seconds for all of them; what does not fit in is to be sent again."""
_OUTAGES: Final = (Overloaded, Unavailable, TimedOut)


class Op(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command as it would have been sent: its `cid`, its name and its body."""

    cid: str
    name: str
    body: dict[str, Any]
    occurred_at: Annotated[datetime, Meta(tz=True)]


class Ops(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At most 500, the oldest first."""

    ops: Annotated[tuple[Op, ...], Meta(extra_json_schema={"maxItems": MAX_OPS})]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one op: `answer` and `seq` as its command is acked, or why it was refused."""

    cid: str
    ok: bool
    seq: int | UnsetType = UNSET
    answer: dict[str, Any] | UnsetType = UNSET
    error: Error | UnsetType = UNSET


class Results(msgspec.Struct, frozen=True):
    """One for each op, in order."""

    results: tuple[Result, ...]


async def carry_out(session: Session, by: str, ops: Sequence[Op], *, ask: float, trace: Trace) -> Results:
    """One op that is refused does not stop the others; an outage does, as they are to come in order.

    Sent again as they are, whatever was done is not done twice. Raises TooLarge, RateLimited, and what a session that
    can't be reached refuses with.
    """
    if len(ops) > MAX_OPS:
        raise TooLarge
    await session.ask(TakeOps(), timeout=ask, trace=trace)
    ends = asyncio.get_running_loop().time() + WITHIN
    results: list[Result] = []
    out = False
    for op in ops:
        left = ends - asyncio.get_running_loop().time()
        out = out or left <= 0
        try:
            results.append(_late(op, trace) if out else await _result(session, by, op, min(ask, left), trace))
        except Refused as refused:
            out = isinstance(refused, _OUTAGES)
            results.append(_refused(op, refused, trace))
    return Results(tuple(results))


async def _result(session: Session, by: str, op: Op, seconds: float, trace: Trace) -> Result:
    cid, command = wire.read_command(op.name, {**op.body, "cid": op.cid})
    accepted: Accepted = await session.ask(Order(by, cid, command, op.occurred_at), timeout=seconds, trace=trace)
    return Result(op.cid, ok=True, seq=accepted.seq, answer=wire.pack(accepted.answer))


def _late(op: Op, trace: Trace) -> Result:
    return _refused(op, Unavailable(retry_after_ms=1000), trace)


def _refused(op: Op, refused: Refused, trace: Trace) -> Result:
    return Result(op.cid, ok=False, error=msgspec.convert(problems.error(refused, trace), Error))
