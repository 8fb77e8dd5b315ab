"""What the server says of a call while it lasts."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from scripts.terminal.speech import printable

HUNG_UP = "user"
"""The reason of an end that was asked for."""

Show = Callable[[str], None]


class Signals:
    """Of one call, known by its id once the offer is answered; what came before is kept until then.

    `turns`: when the stages of each turn were told, and what they were in milliseconds.
    """

    def __init__(self, show: Show) -> None:
        self.state = "connecting"
        self.reason: str | None = None
        self.turns: list[tuple[float, Mapping[str, float]]] = []
        self._show = show
        self._early: list[dict[str, Any]] = []
        self._call_id: str | None = None
        self._news = asyncio.Event()

    def belongs_to(self, call_id: str) -> None:
        self._call_id = call_id
        for signal in self._early:
            self.take(signal)
        self._early.clear()

    def take(self, signal: dict[str, Any]) -> None:
        told = signal["data"]
        if self._call_id is None and "call_id" in told:
            self._early.append(signal)
        if self._call_id is None or told.get("call_id") != self._call_id:
            return
        if signal["type"] == "call.state":
            self._enter(told)
        elif signal["type"] == "caption" and told["final"] and told["text"]:
            self._show(f"{'you' if told['side'] == 'user' else told['side']:>5} > {printable(told['text'])}")
        elif signal["type"] == "call.turn":
            self.turns.append((time.monotonic(), told["stages"]))
        self._news.set()

    async def until(self, seen: Callable[[], bool]) -> None:
        """Looks again at every signal."""
        while not seen():
            self._news.clear()
            await self._news.wait()

    def _enter(self, told: dict[str, Any]) -> None:
        self.state, self.reason = told["state"], told.get("reason")
        if self.reason and self.reason != HUNG_UP:
            self._show(f"      ({self.state}: {self.reason})")
