"""A language model behind its circuit breaker: while the breaker is open, it fails at once and is left alone."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

import structlog

from actors.domain.conversation import LOADING
from actors.ports import Answered, LanguageModel, ModelFailed, Tool, Turn
from transport.providers.breaker import Breaker, State

BROKEN: Final = frozenset({"model.timeout", "model.cut", "model.limited", "model.error", "model.unreachable"})
"""Failures of the provider. Any other one is an answer, if not the one that was wanted."""

log = structlog.get_logger(__name__)


class Guarded:
    """`ports.LanguageModel`. While it is left alone it fails with the code of what it was last seen to fail with."""

    def __init__(
        self, model: LanguageModel, breaker: Breaker, missing: Callable[[], str | None] = lambda: None
    ) -> None:
        """`missing`: the code of why it can't be asked at all for now."""
        self.name = model.name
        self._missing = missing
        self._model = model
        self._breaker = breaker
        self._failure = "model.unreachable"

    @property
    def state(self) -> State:
        return self._breaker.state(_now())

    async def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[Answered, None]:
        missing = self._missing()
        if missing is not None:
            raise ModelFailed(missing)
        if not self._breaker.admit(_now()):
            raise ModelFailed(self._failure, retry_after=self._breaker.wait(_now()))
        before = self.state
        try:
            async with aclosing(self._model.answer(turns, tools)) as pieces:
                async for piece in pieces:
                    yield piece
        except ModelFailed as failed:
            self._judge(failed)
            raise
        else:
            self._breaker.succeeded()
        finally:
            self._breaker.left()
            if self.state != before:
                log.warning("model.breaker", model=self.name, was=before, state=self.state)

    def _judge(self, failed: ModelFailed) -> None:
        if failed.code in BROKEN:
            self._failure = failed.code
            self._breaker.failed(_now(), rest=failed.retry_after or 0.0)
        elif failed.code != LOADING:  # of a server that says so itself
            self._breaker.succeeded()


def _now() -> float:
    return asyncio.get_running_loop().time()
