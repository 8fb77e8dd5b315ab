"""A chat model behind the OpenAI protocol: streams one answer within its deadlines, or says in one word how it failed."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
import structlog

from actors.ports import Answered, ModelFailed, TextDelta, Tool, ToolCall, Turn, Usage
from transport.providers.openai_chunks import Gathered, pack_tool, pack_turn
from transport.providers.openai_client import OpenAIClient, wait_of, word_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

TRAILER: Final = 0.5
"""Seconds for what may follow the end of an answer ([DONE], usage), so that its connection can be used again."""

log = structlog.get_logger(__name__)


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds until the first chunk, between two chunks, and for one whole answer."""

    first: float = 20.0
    between: float = 15.0
    whole: float = 120.0


class OpenAIChat:
    """`ports.LanguageModel` on the chat completions API, through the openai package; without a URL, OpenAI's own.

    Entering it opens nothing; that happens at `warm` or at the first answer, and does not count against its deadlines.
    """

    def __init__(self, url: str | None, key: str, model: str, *, deadlines: Deadlines = Deadlines()) -> None:  # noqa: B008 - frozen
        self.name = model
        self._client = OpenAIClient(url, key)
        self._deadlines = deadlines
        self._trouble: ModelFailed | None = None

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def warm(self) -> None:
        """Import and open what the first answer needs; the server calls it once it is ready."""
        await self._client.open()

    async def check(self) -> None:
        """Raises the ModelFailed the newest answer ended in; a model nobody has asked yet is taken at its word."""
        if self._trouble is not None:
            raise ModelFailed(self._trouble.code)

    async def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[Answered, None]:
        client = await self._client.open()
        clock = asyncio.get_running_loop().time
        last = clock() + self._deadlines.whole
        first = min(last, clock() + self._deadlines.first)
        gathered = Gathered()
        stream = await self._begin(client, self._packed(turns, tools), first)
        try:
            chunk = await self._next(stream, gathered, first)
            while chunk is not None:
                if text := gathered.take(chunk):
                    yield TextDelta(text)
                gap = self._deadlines.between if gathered.finish is None else TRAILER
                chunk = await self._next(stream, gathered, min(last, clock() + gap))
        finally:
            await stream.close()
        for call in self._whole(gathered):
            yield call
        if gathered.tokens:
            yield Usage(gathered.tokens)

    def _packed(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": [pack_turn(turn) for turn in turns],
            "stream_options": {"include_usage": True},
        }
        return request | ({"tools": [pack_tool(tool) for tool in tools]} if tools else {})

    async def _begin(
        self,
        client: "AsyncOpenAI",
        request: dict[str, Any],
        deadline: float,
    ) -> "AsyncStream[object]":
        from openai import AsyncStream, OpenAIError  # noqa: PLC0415 - loaded by OpenAIClient.open

        # As chat.completions.create does, but for chunks as plain JSON: a model of each costs more than all the rest.
        try:
            async with asyncio.timeout_at(deadline):
                return await client.post(
                    "/chat/completions",
                    cast_to=object,
                    body=request | {"stream": True},
                    stream=True,
                    stream_cls=AsyncStream[object],
                )
        except (OpenAIError, TimeoutError) as error:
            # Without the cause: a provider's error may repeat what people wrote.
            raise self._failed(error, "unreachable") from None

    async def _next(
        self,
        stream: "AsyncStream[object]",
        gathered: Gathered,
        deadline: float,
    ) -> object | None:
        """The next chunk, None at the end of the stream. After the end of the answer nothing can fail any more."""
        from openai import OpenAIError  # noqa: PLC0415 - loaded by OpenAIClient.open

        try:
            async with asyncio.timeout_at(deadline):
                return await anext(stream, None)
        except (OpenAIError, TimeoutError, ValueError) as error:  # ValueError: no JSON, no UTF-8
            if gathered.finish is not None:
                return None
            raise self._failed(error, "cut") from None

    def _whole(self, gathered: Gathered) -> Sequence[ToolCall]:
        """The calls of an answer that has come to its end; `length` is one (too long a call is no JSON)."""
        if gathered.finish is None:
            raise self._failed(None, "cut")
        if gathered.finish == "content_filter":
            raise self._failed(None, "refused")
        self._trouble = None
        return gathered.calls()

    def _failed(self, error: Exception | None, broken: str) -> ModelFailed:
        """The failure an error means; `broken` is what a lost connection means at this point."""
        code = f"model.{word_of(error, broken)}"
        status = getattr(error, "status_code", None)
        log.warning(
            "model.failed",
            model=self.name,
            code=code,
            status=status,
            cause=type(error).__name__ if error else "end of stream",
        )
        self._trouble = ModelFailed(code, retry_after=wait_of(error))
        return self._trouble
