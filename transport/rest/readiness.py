"""Whether each part the server stands on answers: its state, how fast, and what last went wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from actors.ports import ModelFailed
from actors.runtime.envelope import Refused

Check = Callable[[], Awaitable[object]]
"""Asks one part for a sign of life; raises when there is none."""
Detail = Callable[[], Mapping[str, str]]
"""How what a part is made of stands right now, such as the breaker of each model."""

PARTS: Final = ("mongo", "redis", "s3", "search", "models", "speech", "mail")


class Part(msgspec.Struct, frozen=True):
    """`off`: not configured. `last_error` is the newest one since the start, by its type; it may be past."""

    state: Literal["ok", "down", "off"]
    latency_ms: float | None = None
    last_error: str | None = None
    last_error_at: Annotated[datetime, Meta(tz=True)] | None = None
    detail: Mapping[str, str] | None = None


class Report(msgspec.Struct, frozen=True):
    status: Literal["ready", "degraded", "not_ready", "draining"]
    parts: dict[str, Part]


class Readiness:
    """Asks all parts at once, each within a limit, and not more often than once in `fresh` seconds."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        required: frozenset[str] = frozenset({"mongo", "redis"}),
        details: Mapping[str, Detail] = MappingProxyType({}),
        limit: float = 1.0,
        fresh: float = 1.0,
    ) -> None:
        self.draining = False
        self._checks = {name: checks.get(name) for name in (*PARTS, *(checks.keys() - set(PARTS)))}
        self._details = details
        self._required = required
        self._limit = limit
        self._fresh = fresh
        self._errors: dict[str, tuple[str, datetime]] = {}
        self._parts: dict[str, Part] = {}
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()

    @property
    def parts(self) -> list[str]:
        """Those that are configured."""
        return [name for name, check in self._checks.items() if check is not None]

    def is_down(self, part: str) -> bool:
        """Whether it did not answer when it was last asked."""
        return part in self._parts and self._parts[part].state == "down"

    async def report(self) -> Report:
        """How everything stands now, or stood less than `fresh` seconds ago."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._asked_at is None or now - self._asked_at >= self._fresh:
                parts = await asyncio.gather(*(self._ask(name, check) for name, check in self._checks.items()))
                self._parts = dict(zip(self._checks, parts, strict=True))
                self._asked_at = asyncio.get_running_loop().time()
        return Report(self._status(), self._parts)

    def _status(self) -> Literal["ready", "degraded", "not_ready", "draining"]:
        if self.draining:
            return "draining"
        down = {name for name, part in self._parts.items() if part.state == "down"}
        if down & self._required:
            return "not_ready"
        return "degraded" if down else "ready"

    async def _ask(self, name: str, check: Check | None) -> Part:
        if check is None:
            return Part("off")
        loop = asyncio.get_running_loop()
        began = loop.time()
        failed = await self._failure(check)
        latency = round((loop.time() - began) * 1000, 2)
        if failed is not None:
            self._errors[name] = (failed, datetime.now(UTC))
        error, at = self._errors.get(name, (None, None))
        detail = self._details[name]() if name in self._details else None
        return Part("ok" if failed is None else "down", latency, error, at, detail)

    async def _failure(self, check: Check) -> str | None:
        """The type of what went wrong: messages of drivers hold addresses and users."""
        try:
            async with asyncio.timeout(self._limit):
                await check()
        except (Refused, ModelFailed) as failed:
            return failed.code
        except Exception as error:  # noqa: BLE001 - whatever a part fails with is what this asks for
            return type(error).__name__
        return None
