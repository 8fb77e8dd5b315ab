"""A provider behind its circuit breaker: while the breaker is open, it fails at once and is left alone."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Final, Literal

import structlog

from actors.media import SpeechFailed
from actors.ports import Answered, LanguageModel, ModelFailed, Tool, Turn
from actors.runtime.tracing import part
from transport.providers.breaker import LEVELS, Breaker, State

FAILURES: Final[Mapping[str, type[ModelFailed] | type[SpeechFailed]]] = {"model": ModelFailed, "speech": SpeechFailed}
"""How a kind of provider fails: with a code of that kind, such as model.timeout."""
BROKEN: Final = frozenset({"timeout", "cut", "limited", "error", "unreachable", "garbage"})
"""Failures of the provider. Any other one is an answer, if not the one that was wanted."""
LOADING: Final = "loading"
"""Neither: a server that says so itself."""

log = structlog.get_logger(__name__)

Missing = Callable[[], str | None]
"""The code of why a provider can't be asked at all for now."""


def nothing_missing() -> None:
    """Nothing keeps it from being asked."""


class Guard:
    """A breaker and what its provider was last seen to fail with, which is what it fails with while it is left alone."""

    def __init__(
        self, name: str, breaker: Breaker, kind: Literal["model", "speech"], missing: Missing = nothing_missing
    ) -> None:
        self._name = name
        self._breaker = breaker
        self._kind = kind
        self._event = f"{kind}.breaker"
        self._failure = FAILURES[kind]
        self._missing = missing
        self._last = f"{kind}.unreachable"

    @property
    def state(self) -> State:
        return self._breaker.state(_now())

    def level(self) -> int:
        """The state as a number: 0 closed, 1 half open, 2 open."""
        return LEVELS[self.state]

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around one call. Raises the kind's failure when it may not be made."""
        missing = self._missing()
        if missing is not None:
            raise self._failure(missing)
        if not self._breaker.admit(_now()):
            raise self._failure(self._last, retry_after=self._breaker.wait(_now()))
        before = self.state
        try:
            with part(f"{self._kind} {self._name}", "client"):
                yield
        except (ModelFailed, SpeechFailed) as failed:
            self._judge(failed)
            raise
        else:
            self._breaker.succeeded()
        finally:
            self._breaker.left()
            if self.state != before:
                log.warning(self._event, model=self._name, was=before, state=self.state)

    def _judge(self, failed: ModelFailed | SpeechFailed) -> None:
        word = failed.code.partition(".")[2]
        if word in BROKEN:
            self._last = failed.code
            self._breaker.failed(_now(), rest=failed.retry_after or 0.0)
        elif word != LOADING:
            self._breaker.succeeded()


class Guarded:
    """`ports.LanguageModel`."""

    def __init__(self, model: LanguageModel, breaker: Breaker, missing: Missing = nothing_missing) -> None:
        self.name = model.name
        self._model = model
        self.guard = Guard(model.name, breaker, "model", missing)

    @property
    def state(self) -> State:
        return self.guard.state

    async def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[Answered, None]:
        with self.guard.call():
            async with aclosing(self._model.answer(turns, tools)) as pieces:
                async for piece in pieces:
                    yield piece


def _now() -> float:
    return asyncio.get_running_loop().time()
