"""What the server says of a call while it lasts."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.calling.timeline import UNTIL_SENT
from scripts.terminal.speech import printable

HUNG_UP = "user"
"""The reason of an end that was asked for."""
DRAINING = "draining"
"""The reason of an end after which the conversation goes on at another node, with a new offer."""
OTHERS = 256
"""Signals kept of other calls: one of them may turn out to be this one. The oldest go first."""

Show = Callable[[str], None]


@dataclass
class Told:
    """A turn as the server tells of it. `at` is when it was first told of, on the monotonic clock."""

    at: float
    words: str | None = None
    """The person's, once they are final."""
    coach: list[str] = field(default_factory=list)
    """What the coach's captions were, one after another."""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds, once the answer is heard."""

    @property
    def sent(self) -> float | None:
        """Seconds from the end of the person's voice to the first packet of the answer; fillers are no answer."""
        if UNTIL_SENT[-1] not in self.stages:
            return None
        return sum(self.stages[name] for name in UNTIL_SENT) / 1000

    @property
    def filled(self) -> bool:
        """Something was said before the answer: captions of an answer go on, or end where it was cut."""
        first, *others = [text for text in self.coach if text] or [""]
        return any(not (text.startswith(first) or first.startswith(text)) for text in others)


class Signals:
    """Of one call, known by its id once the offer is answered; what came before is kept until then.

    The conversation may go on in another call, to which they belong from then on. `turns` are those of all of them by
    their ids, in the order they were told of; `entered` is when the state was.
    """

    def __init__(self, show: Show) -> None:
        self.state, self.entered = "connecting", time.monotonic()
        self.reason: str | None = None
        self.turns: dict[str, Told] = {}
        self.show = show
        self._others: deque[dict[str, Any]] = deque(maxlen=OTHERS)
        self._call_id: str | None = None
        self._asked: list[tuple[float, str]] = []
        self._answers: dict[str, dict[str, Any]] = {}
        self._news = asyncio.Event()

    def belongs_to(self, call_id: str) -> None:
        """From now on. Nothing changes while it is the same."""
        if call_id == self._call_id:
            return
        self._call_id, self.state, self.reason, self.entered = call_id, "connecting", None, time.monotonic()
        others = list(self._others)
        self._others.clear()
        for signal in others:
            self.take(signal)

    def take(self, signal: dict[str, Any]) -> None:
        told = signal["data"]
        if self._call_id is None or told.get("call_id") != self._call_id:
            self._others.append(signal)
            return
        if signal["type"] == "call.state":
            self._enter(told)
        elif signal["type"] == "caption":
            self._caption(self._turn(told["turn_id"]), told)
        elif signal["type"] == "call.turn":
            self._turn(told["turn_id"]).stages = told["stages"]
        self._news.set()

    def keep(self, message: dict[str, Any]) -> None:
        """A message of the conversation: one that was said, or the coach's, which comes when it has been played."""
        if message["role"] == "coach" and message.get("reply_to"):
            self._answers[message["reply_to"]] = message
        elif message["role"] == "user" and message["spoken"]:
            self._asked.append((time.monotonic(), message["id"]))
        self._news.set()

    async def until(self, seen: Callable[[], bool]) -> None:
        """Looks again at every signal."""
        while not seen():
            self._news.clear()
            await self._news.wait()

    @property
    def is_over(self) -> bool:
        """The call has ended, and is not to go on elsewhere."""
        return self.state == "ended" and self.reason != DRAINING

    def since(self, at: float, until: float = float("inf")) -> list[Told]:
        """The turns that were first told of in that time."""
        return [turn for turn in self.turns.values() if at <= turn.at < until]

    def answers_since(self, at: float) -> list[dict[str, Any]]:
        """To all that was said since then; empty as long as one of them is missing, or nothing was understood."""
        asked = [message_id for when, message_id in self._asked if when >= at]
        understood = sum(turn.words is not None for turn in self.since(at))
        if len(asked) < understood or not all(message_id in self._answers for message_id in asked):
            return []
        return [self._answers[message_id] for message_id in asked]

    def waits_since(self, at: float) -> bool:
        """Whether something that was said since then has no answer yet."""
        understood = any(turn.words is not None for turn in self.since(at))
        return (understood or any(when >= at for when, _ in self._asked)) and not self.answers_since(at)

    def _turn(self, turn_id: str) -> Told:
        return self.turns.setdefault(turn_id, Told(time.monotonic()))

    def _caption(self, turn: Told, told: Mapping[str, Any]) -> None:
        if told["side"] == "coach":
            turn.coach.append(told["text"])
        elif told["final"]:
            turn.words = told["text"]
        if told["final"] and told["text"]:
            self.show(f"{'you' if told['side'] == 'user' else told['side']:>5} > {printable(told['text'])}")

    def _enter(self, told: dict[str, Any]) -> None:
        self.state, self.reason, self.entered = told["state"], told.get("reason"), time.monotonic()
        if self.reason and self.reason != HUNG_UP:
            self.show(f"      ({self.state}: {self.reason})")
