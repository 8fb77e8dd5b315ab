"""A chat model behind the OpenAI protocol: streams one answer within its deadlines, or says in one word how it failed."""

import asyncio
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
import structlog

from actors.ports import Answered, ModelFailed, TextDelta, Tool, ToolCall, Turn, Usage
from transport.providers.openai_chunks import Gathered, pack_tool, pack_turn

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

TRAILER: Final = 0.5
"""Seconds for what may follow the end of an answer ([DONE], usage), so that its connection can be used again."""
DAY: Final = 86_400.0
NOT_ABOUT_THE_TEXT: Final = frozenset({401, 403, 404})
"""A key that is not taken, a model that is not there: another way to put the question would not help."""
OPENAI: Final = "https://api.openai.com/v1"

log = structlog.get_logger(__name__)


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds until the first chunk, between two chunks, and for one whole answer."""

    first: float = 20.0
    between: float = 15.0
    whole: float = 120.0


class OpenAIChat:
    """`ports.LanguageModel` on the chat completions API, through the openai package; without a URL, OpenAI's own.

    Entering it opens nothing: importing openai takes 2 s of CPU, so that happens in a thread, at `warm` or at the
    first answer, and does not count against the answer's deadlines.
    """

    def __init__(self, url: str | None, key: str, model: str, *, deadlines: Deadlines = Deadlines()) -> None:  # noqa: B008 - frozen
        self.name = model
        self._url = url or OPENAI
        self._key = key
        self._deadlines = deadlines
        self._client: AsyncOpenAI | None = None
        self._trouble: ModelFailed | None = None
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def warm(self) -> None:
        """Import and open what the first answer needs; the server calls it once it is ready."""
        await self._open()

    async def check(self) -> None:
        """Raises the ModelFailed the newest answer ended in; a model nobody has asked yet is taken at its word."""
        if self._trouble is not None:
            raise ModelFailed(self._trouble.code)

    async def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[Answered, None]:
        client = await self._open()
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
        from openai import AsyncStream, OpenAIError  # noqa: PLC0415 - loaded by _open

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
            raise self._failed(error, "model.unreachable") from None

    async def _next(
        self,
        stream: "AsyncStream[object]",
        gathered: Gathered,
        deadline: float,
    ) -> object | None:
        """The next chunk, None at the end of the stream. After the end of the answer nothing can fail any more."""
        from openai import OpenAIError  # noqa: PLC0415 - loaded by _open

        try:
            async with asyncio.timeout_at(deadline):
                return await anext(stream, None)
        except (OpenAIError, TimeoutError, ValueError) as error:  # ValueError: no JSON, no UTF-8
            if gathered.finish is not None:
                return None
            raise self._failed(error, "model.cut") from None

    def _whole(self, gathered: Gathered) -> Sequence[ToolCall]:
        """The calls of an answer that has come to its end; `length` is one (too long a call is no JSON)."""
        if gathered.finish is None:
            raise self._failed(None, "model.cut")
        if gathered.finish == "content_filter":
            raise self._failed(None, "model.refused")
        self._trouble = None
        return gathered.calls()

    def _failed(self, error: Exception | None, broken: str) -> ModelFailed:
        """The failure an error means; `broken` is what a lost connection means at this point."""
        code = _code(error, broken)
        response = getattr(error, "response", None)
        wait = None if response is None else retry_after(response.headers)
        status = getattr(error, "status_code", None)
        log.warning(
            "model.failed",
            model=self.name,
            code=code,
            status=status,
            cause=type(error).__name__ if error else "end of stream",
        )
        self._trouble = ModelFailed(code, retry_after=wait)
        return self._trouble

    async def _open(self) -> "AsyncOpenAI":
        async with self._opening:
            if self._client is None:
                client = await asyncio.to_thread(_client, self._url, self._key)
                self._client = await self._opened.enter_async_context(client)
            return self._client


def _client(url: str, key: str) -> "AsyncOpenAI":
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415 - 2 s of CPU, kept out of the start

    # Deadlines are counted here, on the loop's clock; a second set in the HTTP client would only blur them.
    return AsyncOpenAI(
        base_url=url,
        api_key=key or "none",
        max_retries=0,
        timeout=None,
        http_client=DefaultAsyncHttpxClient(timeout=None),
    )


def _code(error: Exception | None, broken: str) -> str:
    import openai  # noqa: PLC0415 - loaded by _open

    match error:
        case TimeoutError() | openai.APITimeoutError():
            return "model.timeout"
        case openai.APIStatusError():
            return _code_of(error.status_code, error.code)
        case openai.APIConnectionError() | None:
            return broken
        case openai.APIError():  # an `error` in place of a chunk
            return "model.error"
        case _:
            return broken


def _code_of(status: int, code: str | None) -> str:
    if status == 503 and code == "model_loading":
        return "model.loading"
    if status == 429:
        return "model.limited"
    return "model.refused" if status < 500 and status not in NOT_ABOUT_THE_TEXT else "model.error"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait (RFC 9110, section 10.2.3), None when nothing usable is said.

    A date counts from the answer's own Date, so that the provider's clock is compared with itself.
    """
    said = headers.get("retry-after", "")
    try:
        seconds = float(said)
    except ValueError:
        seconds = _seconds_between(headers.get("date", ""), said)
    return seconds if math.isfinite(seconds) and 0 <= seconds <= DAY else None


def _seconds_between(earlier: str, later: str) -> float:
    try:
        return (parsedate_to_datetime(later) - parsedate_to_datetime(earlier)).total_seconds()
    except (ValueError, TypeError):
        return math.nan
