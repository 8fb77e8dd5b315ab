"""The server that has the model: one generation at a time, few may wait, and the router's pass beside the chat's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, Literal

import aiohttp
import msgspec
import structlog

from scripts.embedded.ai.asked import Asked, asked_in
from scripts.embedded.ai.chat import Completion
from scripts.embedded.ai.cues import orders_goal
from scripts.embedded.ai.router import NONE, Call, Router
from scripts.embedded.child import Child

WAITING: Final = 8
"""Requests that may wait for the one that is answered; the next is refused."""
ROUTER_TOKENS: Final = 90
ROUTER_SECONDS: Final = 45.0
"""On a cold machine the router's prompt is read first; later it takes one or two."""
DOUBT: Final = -2.0
"""Added to the logit of none where a goal is asked for in so many words: small models find reasons to do nothing."""
WARM: Final = Asked("add a goal", datetime.min.replace(tzinfo=UTC).date(), ())

log = structlog.get_logger(__name__)


class BusyError(Exception):
    """More are waiting than would be answered in time."""


class Backend:
    """`url` ends in /v1. Slot 0 of llama.cpp's server keeps the conversation read, slot 1 the router's prompt."""

    def __init__(
        self,
        url: str,
        model: str,
        headers: dict[str, str],
        http: aiohttp.ClientSession,
        child: Child | None = None,
    ) -> None:
        """`child`: its process, where it is ours. A connection serves once: llama.cpp ends it after a stream, as the next
        request may already be on its way.
        """
        self.model = model
        self._child = child
        self._url = url
        self._headers = headers | {"Connection": "close"}
        self._http = http
        self._turn = asyncio.Semaphore(1)
        self._inside = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One request at a time is at the model. Raises BusyError when too many wait already."""
        if self._inside > WAITING:
            raise BusyError
        self._inside += 1
        try:
            async with self._turn:
                yield
        finally:
            self._inside -= 1

    def freeze(self) -> None:
        """It computes nothing until it thaws; whoever waits for its words goes on waiting."""
        if self._child is not None:
            self._child.freeze()

    def thaw(self) -> None:
        if self._child is not None:
            self._child.thaw()

    @asynccontextmanager
    async def completion(self, request: dict[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Leaving ends the generation: llama.cpp stops when its client has gone."""
        url = f"{self._url}/chat/completions"
        async with self._http.post(url, json=request, headers=self._headers) as answer:
            yield answer

    async def route(self, request: Completion) -> Call | None:
        """The call that the person's newest words ask for, if any; whatever goes wrong here is no call."""
        router = Router(request.tools)
        asked = asked_in(request.newest, datetime.now(UTC).date())
        if not router.offered(asked):
            return None
        if (call := router.certain(asked)) is not None:
            return call
        try:
            async with asyncio.timeout(ROUTER_SECONDS):
                return router.read(await self._routed(router, asked), asked)
        except (TimeoutError, aiohttp.ClientError, ValueError, LookupError, TypeError) as problem:
            log.warning("router.failed", problem=type(problem).__name__)
            return None

    async def read(self, request: dict[str, Any]) -> bytes:
        """Raises ClientResponseError for anything but an answer."""
        async with self.completion(request) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def slot(self, slot: int, action: Literal["save", "restore"], file: str) -> bool:
        """Whether what a slot has read was written to a file, or taken from one; only llama.cpp's server can."""
        url = f"{self._url.removesuffix('/v1')}/slots/{slot}"
        asked = self._http.post(url, params={"action": action}, json={"filename": file}, headers=self._headers)
        async with asked as answer:
            return answer.status == HTTPStatus.OK

    async def _routed(self, router: Router, asked: Asked) -> str:
        told = msgspec.json.decode(await self.read(self.question(router, asked)))
        return str(told["choices"][0]["message"]["content"])

    def question(self, router: Router, asked: Asked) -> dict[str, Any]:
        """The router's request: what may be answered is constrained by a schema."""
        shape = {"name": "call", "strict": True, "schema": router.schema(asked)}
        leaning = {"logit_bias": [[NONE, DOUBT]]} if orders_goal(asked.said) else {}
        return leaning | {
            "model": self.model,
            "messages": router.prompt(asked),
            "max_tokens": ROUTER_TOKENS,
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": shape},
            "id_slot": 1,
            "cache_prompt": True,
        }
