"""Watches local models while they are fetched and loaded: tells every device how far they are, and once when chat can begin."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import aiohttp
import msgspec
import structlog

from actors.domain.conversation import LOADING

CHAT: Final = "chat"
WATCHED: Final = 1.0
"""Seconds between two looks while something is on its way."""
SETTLED: Final = 30.0
PATIENCE: Final = 2.0
EXPECTED: Final = 60
"""Looks in vain before a server that was never heard is missed: it comes up after us, and may be installed first."""
ON_ITS_WAY: Final = frozenset({"waiting", "fetching", "checking", "loading"})

State = Literal["waiting", "fetching", "checking", "loading", "ready", "failed", "declined"]
Tell = Callable[[str, Mapping[str, Any]], None]
log = structlog.get_logger(__name__)


class Part(msgspec.Struct, frozen=True):
    """`done` of `total` are bytes; `problem` is a sentence for people."""

    state: State
    done: int = 0
    total: int = 0
    problem: str | None = None


class _Status(msgspec.Struct, frozen=True):
    parts: dict[str, Part]


class Arrival:
    """How far the local models are, as their server at `url` says."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts: Mapping[str, Part] = {CHAT: Part("waiting")}
        self._missed = 0
        self._heard = False

    @property
    def missing(self) -> str | None:
        """Why the chat model can't be asked yet, or ever (model.failed, model.declined); None when it can."""
        state = self._parts[CHAT].state
        if state == "ready":
            return None
        return LOADING if state in ON_ITS_WAY else f"model.{state}"

    async def watch(self, tell: Tell, came: Callable[[], None]) -> None:
        """For ever: every second while something is on its way, then rarely.

        `tell` sends a signal to every device of the node; `came` is called when the chat model can be asked.
        """
        timeout = aiohttp.ClientTimeout(PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                found = await self._ask(http)
                if found is not None:
                    self._take(found, tell, came)
                moving = any(part.state in ON_ITS_WAY for part in self._parts.values())
                await asyncio.sleep(WATCHED if moving else SETTLED)

    async def _ask(self, http: aiohttp.ClientSession) -> Mapping[str, Part] | None:
        """None when it does not answer, or not as it should: what was known last stands."""
        try:
            async with http.get(self._url) as answer:
                parts = msgspec.json.decode(await answer.read(), type=_Status).parts
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            self._missed += 1
            if self._missed == (1 if self._heard else EXPECTED):
                log.warning("models.silent", error=type(error).__name__)
            return None
        self._missed, self._heard = 0, True
        return parts if CHAT in parts else None

    def _take(self, found: Mapping[str, Part], tell: Tell, came: Callable[[], None]) -> None:
        before, self._parts = self._parts, found
        for name, part in found.items():
            if part != before.get(name) or part.state in ON_ITS_WAY:
                shown = {"state": part.state, "done": part.done, "total": part.total, "problem": part.problem}
                tell("progress", {"kind": "models", "part": name, **shown})
        if found[CHAT].state != before[CHAT].state:
            log.info("models.chat", state=found[CHAT].state)
            if found[CHAT].state == "ready":
                came()
