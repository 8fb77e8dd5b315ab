"""The traces of a call's turns: each has one of its own, to which belongs what is done from then on."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from actors.runtime.tracing import Span, Trace, trace_id

Begin = Callable[[str], Trace | None]
"""Begins a trace of that name."""
TOGETHER: Final = 4
"""Turns that may be open: one is still being answered while the user nods, or begins the next."""


class Traced:
    """Lives in its call's task, whose children take the trace on."""

    def __init__(self, call_id: str, begin: Begin) -> None:
        self._call_id = call_id
        self._begin = begin
        self._turn = 0
        self._open: dict[int, Span] = {}
        self.trace = trace_id.get()

    def follow(self, turn: int) -> None:
        """The user is heard, or has spoken, in that turn."""
        if turn <= self._turn:
            return
        self._turn, begun = turn, self._begin("call.turn")
        if begun is None:
            return
        self.trace = begun
        trace_id.set(begun)
        structlog.contextvars.bind_contextvars(trace_id=str(begun))
        if isinstance(begun, Span):
            self._open[turn] = begun
        self._end(turn - TOGETHER)

    def tell(self, turn: int, stages: Mapping[str, int]) -> None:
        """The turn is over: how many milliseconds each of its stages took."""
        span = self._open.pop(turn, None)
        if span is not None:
            told = {f"{stage}_ms": milliseconds for stage, milliseconds in stages.items()}
            span.end(None, call_id=self._call_id, turn=turn, **told)

    def close(self) -> None:
        self._end(self._turn)

    def _end(self, last: int) -> None:
        for turn in [turn for turn in self._open if turn <= last]:
            self.tell(turn, {})
