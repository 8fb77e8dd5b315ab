"""The trace of what is being done: its id alone, or a span of it where somebody watches."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, Protocol, TypeAlias

Kind = Literal["internal", "client", "server"]


class Span:
    """A part of a trace that is watched; as text, the trace's id. What is told of it are ids, codes and numbers."""

    __slots__ = ()

    @property
    def header(self) -> str:
        """As W3C `traceparent`, for another node."""
        raise NotImplementedError

    def begin(self, name: str, kind: Kind = "internal", **told: str | int) -> "Span":
        """A part of this one, from now on."""
        raise NotImplementedError

    def end(self, problem: str | None = None, **told: str | int) -> None:
        """It took until now; `problem` is the code of what went wrong."""
        raise NotImplementedError


Trace: TypeAlias = str | Span

trace_id: ContextVar[Trace | None] = ContextVar("trace_id", default=None)
"""The trace of the message being handled; what it causes carries it on."""


@contextmanager
def part(name: str, kind: Kind = "internal", **told: str | int) -> Iterator[Span | None]:
    """A part of the trace in hand, as long as this lasts; None where nobody watches."""
    trace = trace_id.get()
    if not isinstance(trace, Span):
        yield None
        return
    span, problem = trace.begin(name, kind, **told), None
    try:
        yield span
    except BaseException as error:
        problem = getattr(error, "code", type(error).__name__)
        raise
    finally:
        span.end(problem)


class Watchable(Protocol):
    """An actor."""

    address: str

    async def receive(self, message: Any) -> Any: ...


async def watched(actor: Watchable, message: Any) -> Any:
    """What an actor does with a message, as a part of the trace it came with; called by what it carries."""
    carried = getattr(message, "command", None) or getattr(message, "result", None) or message
    with part(type(carried).__name__, address=actor.address) as span:
        token = trace_id.set(span)
        try:
            return await actor.receive(message)
        finally:
            trace_id.reset(token)
