"""The openai package's client of one provider: opened when it is first needed, and what its errors mean in one word."""

import asyncio
import math
from collections.abc import Mapping
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI: Final = "https://api.openai.com/v1"
DAY: Final = 86_400.0
NOT_ABOUT_THE_REQUEST: Final = frozenset({401, 403, 404})
"""A key that is not taken, a model that is not there: to put it in another way would not help."""


class OpenAIClient:
    """Without a URL, OpenAI's own. Entering it opens nothing: importing openai takes 2 s of CPU, so `open` does that in a thread."""

    def __init__(self, url: str | None, key: str) -> None:
        self._url = url or OPENAI
        self._key = key
        self._client: AsyncOpenAI | None = None
        self._opening = asyncio.Lock()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def open(self) -> "AsyncOpenAI":
        async with self._opening:
            if self._client is None:
                client = await asyncio.to_thread(_client, self._url, self._key)
                self._client = await self._opened.enter_async_context(client)
            return self._client


def _client(url: str, key: str) -> "AsyncOpenAI":
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415 - 2 s of CPU, kept out of the start

    # Deadlines are counted by whoever asks, on the loop's clock; a second set in the HTTP client would only blur them.
    return AsyncOpenAI(
        base_url=url,
        api_key=key or "none",
        max_retries=0,
        timeout=None,
        http_client=DefaultAsyncHttpxClient(timeout=None),
    )


def word_of(error: Exception | None, broken: str) -> str:
    """timeout, limited, loading, refused or error; `broken` is what a lost connection means at this point."""
    import openai  # noqa: PLC0415 - loaded by OpenAIClient.open

    match error:
        case TimeoutError() | openai.APITimeoutError():
            return "timeout"
        case openai.APIStatusError():
            return _word_of_status(error.status_code, error.code)
        case openai.APIConnectionError() | None:
            return broken
        case openai.APIError():  # an `error` in place of a chunk
            return "error"
        case _:
            return broken


def _word_of_status(status: int, code: str | None) -> str:
    if status == 503 and code == "model_loading":
        return "loading"
    if status == 429:
        return "limited"
    return "refused" if status < 500 and status not in NOT_ABOUT_THE_REQUEST else "error"


def wait_of(error: Exception | None) -> float | None:
    """How long the provider that answered with this error wants to be left alone."""
    response = getattr(error, "response", None)
    return None if response is None else retry_after(response.headers)


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
