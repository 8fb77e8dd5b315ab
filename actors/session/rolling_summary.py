"""The rolling summary: due when the recent turns grow long, made by the model once nobody waits for a reply.

It is owed by the state alone and needs no waking: whoever wakes for another reason makes it then. A new message goes
first; what was begun is left and begun again later.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Final, Protocol

import msgspec
import structlog

from actors.commands import KeepSummary
from actors.domain.conversation import COACH, HISTORY, unpacked
from actors.journal.journaled import Accepted, Order
from actors.ports import LanguageModel, ModelFailed, TextDelta, Turn, Usage
from actors.runtime.actor import ChildEnded, Children
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from actors.runtime.ref import Ref
from actors.session.budget import cost
from actors.session.prompt import Exchange, Seen, recap, unsummarised
from actors.session.state import State
from actors.session.surroundings import Surroundings

SUMMARY: Final = "summary"
MANY: Final = HISTORY * 3 // 4
"""Messages that make a summary due however short they are: the state holds not many more."""
MAX_TEXT: Final = 8_000
FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 3600.0

log = structlog.get_logger()


class Summarise(msgspec.Struct, frozen=True):
    """The session's own message: it has been quiet for long enough."""


class Host(Protocol):
    """The session, as far as summing up needs it."""

    address: str
    state: State
    me: Ref
    children: Children
    stopping: Refused | None
    surroundings: Surroundings

    async def accept(self, order: Order) -> Accepted: ...

    def seen(self) -> Seen: ...

    def may_ask_models(self) -> bool: ...


class RollingSummary:
    """At most one at a time in a session, and a few in a node. Lives in its session's task."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = 0
        self._failures = 0
        self._not_before = 0.0

    def settle(self) -> None:
        """Wait for quiet when one is due; make room when a reply is."""
        host = self._host
        if host.state.owed:
            self.close()
            host.children.cancel(SUMMARY)
        elif self._timer is None and SUMMARY not in host.children and self._is_news() and self._due():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(host.surroundings.quiet_seconds, self._nudge)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._looked_at = 0

    async def begin(self, _: Summarise) -> None:
        host, due = self._host, self._due()
        if not due or host.state.owed or host.stopping is not None or SUMMARY in host.children:
            return
        around, prompts = host.surroundings, host.surroundings.prompts
        turns = recap(prompts.coach, prompts.summary, host.seen(), prompts.budget)
        host.children.spawn(SUMMARY, _make(around.models[0], turns, due[-1].asked.seq, around.summaries))

    async def ended(self, ended: ChildEnded) -> None:
        """Kept, or tried again at a later message: never in a loop."""
        error = ended.error
        if error is None:
            error = await self._refused(ended.result)
        if error is None:
            self._failures = 0
            return
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 10)
        self._not_before = asyncio.get_running_loop().time() + pause
        expected = isinstance(error, ModelFailed | Refused)
        code = error.code if isinstance(error, ModelFailed | Refused) else type(error).__name__
        log.warning("summary.failed", code=code, again_after=pause, exc_info=None if expected else error)

    async def _refused(self, made: KeepSummary) -> Refused | None:
        try:
            cid = derived(self._host.address, f"{SUMMARY}/{made.through}")
            await self._host.accept(Order(COACH, cid, made))
        except Refused as refused:
            return refused
        return None

    def _is_news(self) -> bool:
        """Whether there is a message that was not looked at yet: looking costs a walk over the recent turns."""
        messages = self._host.state.messages
        last = unpacked(messages[-1]).seq if messages else 0
        known, self._looked_at = self._looked_at, last
        return last != known and asyncio.get_running_loop().time() >= self._not_before

    def _due(self) -> Sequence[Exchange]:
        """What is to be summed up: all but the newest turns, once they have grown long."""
        host, budget = self._host, self._host.surroundings.prompts.budget
        if not host.surroundings.models or not host.may_ask_models():
            return ()
        exchanges = unsummarised(host.state.history, host.state.summary)
        sizes = [exchange.size(budget) for exchange in exchanges]
        if sum(sizes) <= budget.summarise_at and sum(1 + len(one.said) for one in exchanges) <= MANY:
            return ()
        room, first = budget.kept, len(exchanges)
        for size in reversed(sizes):
            room -= size
            if room < 0 or len(exchanges) - first >= MANY // 4:
                break
            first -= 1
        return exchanges[: max(1, first)]

    def _nudge(self) -> None:
        self._timer = None
        with suppress(Refused):  # full or ending: the next message or the next wake looks again
            self._host.me.tell(Summarise())


async def _make(model: LanguageModel, turns: Sequence[Turn], through: int, order: asyncio.Semaphore) -> KeepSummary:
    """Ask for the summary; raises ModelFailed, also when nothing usable comes."""
    text, spent = "", 0
    async with order, aclosing(model.answer(turns, ())) as pieces:
        async for piece in pieces:
            match piece:
                case TextDelta():
                    text += piece.text
                case Usage():
                    spent = piece.tokens
            if len(text) > MAX_TEXT:
                raise ModelFailed("model.endless")
    if not text.strip():
        raise ModelFailed("model.empty")
    return KeepSummary(text.strip(), through, spent or cost(turns, text))
