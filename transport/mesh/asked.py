"""What was asked of other nodes and has no answer yet."""

import itertools
from collections.abc import Sequence

import msgspec

from actors.runtime.envelope import Envelope
from actors.runtime.tracing import Span, Trace


class Pending(msgspec.Struct, gc=False):
    node: str
    address: str
    envelope: Envelope
    span: Span | None


class Asked:
    """By number; how many there may be is its owner's to say. Of a watched trace each is a part, until it is over."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._pending: dict[int, Pending] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, node: str, address: str, envelope: Envelope) -> tuple[int, Trace | None]:
        """Its number, and the trace that the other node is to go on with."""
        number, trace = next(self._numbers), envelope.trace
        span = trace.begin("mesh.ask", "client", node=node, hops=envelope.hops) if isinstance(trace, Span) else None
        self._pending[number] = Pending(node, address, envelope, span)
        return number, span or trace

    def over(self, number: int, problem: str | None = None) -> Pending | None:
        """It has its answer, or gets none; None for what nobody asked, or no longer."""
        pending = self._pending.pop(number, None)
        if pending is not None and pending.span is not None:
            pending.span.end(problem)
        return pending

    def at(self, node: str) -> Sequence[int]:
        return [number for number, pending in self._pending.items() if pending.node == node]

    def all(self) -> Sequence[int]:
        return list(self._pending)

    def forget_done(self) -> None:
        """Whose askers wait no more."""
        for number in [number for number, pending in self._pending.items() if _done(pending.envelope)]:
            self.over(number, "timeout")


def _done(envelope: Envelope) -> bool:
    return envelope.reply is None or envelope.reply.done()


def told(trace: Trace | None) -> str | None:
    """A trace as another node is told it: as `traceparent`, or its id alone."""
    return trace.header if isinstance(trace, Span) else trace
