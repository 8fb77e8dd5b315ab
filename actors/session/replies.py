"""Makes one owed reply: streams what the model says, carries out its tool calls, and always comes to an end."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import aclosing
from itertools import count
from typing import Final, Protocol

import msgspec

from actors.commands import FinishReply
from actors.domain.conversation import LOADING, OFFLINE, OwedReply
from actors.domain.refusals import TooManySteps
from actors.ports import Answered, LanguageModel, ModelFailed, TextDelta, Tool, ToolCall, Turn, Usage
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from actors.session.budget import Budget, cost
from actors.session.problems import TOO_MANY_STEPS, apology
from actors.session.prompt import call_turn, result_turn
from actors.session.speech import Speech
from actors.work.tools import refusal

ROUNDS: Final = 6
"""How many times in one reply the model may ask for tools."""
CALLS: Final = 8
"""How many tools it may ask for at once."""
LONGEST_WAIT: Final = 5.0
"""Seconds. A provider that wants to be left alone for longer fails the reply."""
PAUSE: Final = 0.3
NOT_THERE: Final = frozenset({LOADING, "model.failed", "model.declined"})
"""A local model that is on its way, or will not come."""
OUT_OF_REACH: Final = (
    frozenset({"model.timeout", "model.cut", "model.limited", "model.error", "model.unreachable"}) | NOT_THERE
)
"""Failures after which another model is asked, and in the end the offline coach, if nothing has been said yet."""
ANOTHER_MAY: Final = OUT_OF_REACH | {"model.refused", "model.empty"}
"""Failures after which another model may do better."""
NOT_TWICE: Final = NOT_THERE | {"model.refused"}
"""Failures for which the same model is not asked again."""


class Desk(Protocol):
    """What a reply may use of its session."""

    @property
    def models(self) -> Sequence[LanguageModel]:
        """In the order in which they are asked, the usual one first; none, and the offline coach answers."""

    @property
    def withheld(self) -> str | None:
        """The code of what keeps models from being asked, when there are some."""

    @property
    def tools(self) -> Sequence[Tool]: ...

    @property
    def budget(self) -> Budget: ...

    def turns(self) -> list[Turn]:
        """The prompt of this reply as the state is now, the steps it has taken included."""

    def offline(self, problem: str | None) -> str:
        """What the offline coach answers; `problem` is what kept the models from it."""

    def said(self, text: str, by: str) -> None:
        """The next characters of the reply. All of them together are the text of its `FinishReply`."""

    def use(self, call: ToolCall) -> Awaitable[str]:
        """Carry a tool call out through the session: its result as JSON text. The same `call_id` has one effect.

        Raises Refused.
        """


async def answer(reply: OwedReply, desk: Desk) -> FinishReply:
    """Make the reply. Whatever the models do, this ends in a `FinishReply`.

    Cancelling ends the request to the model, and what was given to `desk.said` is what has been said.
    A tool call whose effect is unknown raises its Refused: the reply stays owed and is made again from what the log
    then shows.
    """
    with Speech(desk.said) as speech:
        if not desk.models:
            return _offline(reply, desk, speech, desk.withheld)
        talk = _Talk(reply, desk, speech)
        try:
            await talk.run()
        except ModelFailed as failed:
            if failed.code in OUT_OF_REACH and not speech.length and not talk.tools_used:
                return _offline(reply, desk, speech, failed.code)
            speech.end_with(apology(failed.code))
            return FinishReply(reply.reply_id, speech.close(), "failed", speech.by, failed.code, talk.tokens)
        return FinishReply(reply.reply_id, speech.close(), "complete", speech.by, talk.problem, talk.tokens)


def _offline(reply: OwedReply, desk: Desk, speech: Speech, problem: str | None) -> FinishReply:
    speech.by = OFFLINE
    speech.add(desk.offline(problem))
    return FinishReply(reply.reply_id, speech.close(), "complete", OFFLINE, problem)


class _Heard:
    """One answer of a model as far as it has come."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.calls: list[ToolCall] = []
        self._tokens = 0

    def take(self, piece: Answered, speech: Speech) -> None:
        match piece:
            case TextDelta():
                self.text.append(piece.text)
                speech.add(piece.text)
            case ToolCall():
                self.calls.append(piece)
            case Usage():
                self._tokens = piece.tokens

    def tokens(self, turns: Sequence[Turn]) -> int:
        """By the provider's count, else by estimate; an answer that never began costs nothing."""
        if self._tokens or not (self.text or self.calls):
            return self._tokens
        return cost(turns, "".join([*self.text, *(call.arguments for call in self.calls)]))


class _Talk:
    """The models and the tools in turn, until a model has said what it had to say."""

    def __init__(self, reply: OwedReply, desk: Desk, speech: Speech) -> None:
        self.problem: str | None = None
        """Why it is not the usual model that answers."""
        self.tools_used = bool(reply.steps)
        self.tokens = 0
        self._desk = desk
        self._models = list(desk.models)
        self._speech = speech
        self._turns = desk.turns()
        self._reply_id = reply.reply_id
        self._numbers = count(first_number(reply))
        self._asked_again = False

    async def run(self) -> None:
        for _ in range(ROUNDS):
            text, calls = await self._ask()
            if not calls:
                return
            await self._carry_out(text, calls)
            self._speech.end_paragraph()
        _, calls = await self._ask()
        if calls:
            self._speech.end_paragraph()
            self._speech.add(TOO_MANY_STEPS)

    async def _ask(self) -> tuple[str, list[ToolCall]]:
        """One answer of the first model that gives one. Who has failed is not asked again in this reply.

        What was said is not said again by another model: who breaks off in the middle ends the reply.
        """
        before = self._speech.length
        while True:
            try:
                return await self._ask_first()
            except ModelFailed as failed:
                if len(self._models) == 1 or self._speech.length > before or failed.code not in ANOTHER_MAY:
                    raise
                self.problem = self.problem or failed.code
                del self._models[0]

    async def _ask_first(self) -> tuple[str, list[ToolCall]]:
        """One answer of the first model, asked for once more in a reply if it failed before saying anything.

        Asking again is harmless: tools are carried out only after an answer has come whole.
        """
        before = self._speech.length
        try:
            return await self._listen()
        except ModelFailed as failed:
            wait = PAUSE if failed.retry_after is None else failed.retry_after
            if self._speech.length > before or self._is_hopeless(failed.code, wait):
                raise
            self._asked_again = True
            await asyncio.sleep(wait)
        return await self._listen()

    def _is_hopeless(self, code: str, wait: float) -> bool:
        """Whether asking the same model again would only cost time; with another one at hand, waiting does too."""
        slow = wait > LONGEST_WAIT or (len(self._models) > 1 and (code == "model.timeout" or wait > PAUSE))
        return self._asked_again or code in NOT_TWICE or slow

    async def _listen(self) -> tuple[str, list[ToolCall]]:
        heard = _Heard()
        self._speech.by = self._models[0].name
        try:
            async with aclosing(self._models[0].answer(self._turns, self._desk.tools)) as pieces:
                async for piece in pieces:
                    heard.take(piece, self._speech)
        finally:
            self.tokens += heard.tokens(self._turns)
        if not heard.calls and not self._speech.length:
            raise ModelFailed("model.empty")
        return "".join(heard.text), heard.calls

    async def _carry_out(self, text: str, calls: Sequence[ToolCall]) -> None:
        """Carry the calls out one after another, and put what was asked and what came of it before the model."""
        self.tools_used = True
        mine = [msgspec.structs.replace(call, call_id=self._next_id()) for call in calls[:CALLS]]
        results = [await self._use(call) for call in mine]
        if len(calls) > CALLS:
            mine.append(ToolCall(self._next_id(), calls[CALLS].name, "{}"))
            results.append(
                refusal(TooManySteps(fields={"calls": f"only the first {CALLS} of one answer are carried out"}))
            )
        self._turns.append(call_turn(text, mine, names=[tool.name for tool in self._desk.tools]))
        self._turns.extend(
            result_turn(call.call_id, result, self._desk.budget) for call, result in zip(mine, results, strict=True)
        )

    async def _use(self, call: ToolCall) -> str:
        try:
            return await self._desk.use(call)
        except Refused as refused:
            if refused.effect == "unknown":
                raise
            return refusal(refused)

    def _next_id(self) -> str:
        return derived(self._reply_id, str(next(self._numbers)))


def first_number(reply: OwedReply) -> int:
    """The number of this attempt's first tool call: one above the highest that was carried out before.

    Calls are named by the reply and a number, not by the model, whose names need not be unique. Refused and reading
    calls take a number too and leave no step, so after a crash counting the steps could give a call the name of
    another one that is in the log.
    """
    left = {step.call_id for step in reply.steps}
    for number in range(len(left) * (ROUNDS * (CALLS + 1))):
        left.discard(derived(reply.reply_id, str(number)))
        if not left:
            return number + 1
    return 0
