"""Makes one owed reply: streams what the model says, carries out its tool calls, and always comes to an end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from itertools import count
from typing import Final, Protocol, Self

import msgspec

from actors.commands import FinishReply
from actors.domain.conversation import OFFLINE, OwedReply
from actors.domain.refusals import TooManySteps
from actors.ports import LanguageModel, ModelFailed, TextDelta, Tool, ToolCall, Turn
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from actors.session.problems import GAP, TOO_MANY_STEPS, apology
from actors.session.prompt import call_turn, result_turn
from actors.work.tools import refusal

ROUNDS: Final = 6
"""How many times in one reply the model may ask for tools."""
CALLS: Final = 8
"""How many tools it may ask for at once."""
MAX_SAID: Final = 199_000
"""Characters in one reply; with the closing sentence it stays within what `FinishReply` takes."""
LONGEST_WAIT: Final = 5.0
"""Seconds. A provider that wants to be left alone for longer fails the reply."""
PAUSE: Final = 0.3
OUT_OF_REACH: Final = frozenset(
    {"model.timeout", "model.cut", "model.limited", "model.error", "model.unreachable", "model.loading"}
)
"""Failures after which another model is asked, and in the end the offline coach, if nothing has been said yet."""
ANOTHER_MAY: Final = OUT_OF_REACH | {"model.refused", "model.empty"}
"""Failures after which another model may do better."""
NOT_TWICE: Final = frozenset({"model.refused", "model.loading"})
"""Failures for which the same model is not asked again."""
FLUSH: Final = 0.04
"""Seconds between two deltas, unless a sentence ends."""
_SENTENCE: Final = 20
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "\n", "。", "！", "？")  # noqa: RUF001 - full-width marks end sentences


class Desk(Protocol):
    """What a reply may use of its session."""

    @property
    def models(self) -> Sequence[LanguageModel]:
        """In the order in which they are asked, the usual one first; none, and the offline coach answers."""

    @property
    def tools(self) -> Sequence[Tool]: ...

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
            return _offline(reply, desk, speech, None)
        talk = _Talk(reply, desk, speech)
        try:
            await talk.run()
        except ModelFailed as failed:
            if failed.code in OUT_OF_REACH and not speech.length and not talk.tools_used:
                return _offline(reply, desk, speech, failed.code)
            speech.end_with(apology(failed.code))
            return FinishReply(reply.reply_id, speech.close(), "failed", speech.by, failed.code)
        return FinishReply(reply.reply_id, speech.close(), "complete", speech.by, talk.problem)


def _offline(reply: OwedReply, desk: Desk, speech: "Speech", problem: str | None) -> FinishReply:
    speech.by = OFFLINE
    speech.add(desk.offline(problem))
    return FinishReply(reply.reply_id, speech.close(), "complete", OFFLINE, problem)


class Speech:
    """What is said in one reply: each character once, the first at once, then in pieces of 40 ms or a sentence."""

    def __init__(self, said: Callable[[str, str], None]) -> None:
        self.by = OFFLINE
        """Who speaks."""
        self.length = 0
        self._said = said
        self._pieces: list[str] = []
        self._unsaid: list[str] = []
        self._paragraph = True
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def add(self, text: str) -> None:
        """Say it. Raises ModelFailed (model.endless) when that would be more than anyone can read."""
        if self._paragraph:
            text = text.lstrip()
            if not text:
                return
            text = f"{GAP}{text}" if self.length else text
            self._paragraph = False
        room = MAX_SAID - self.length
        self._speak(text[:room])
        if len(text) > room:
            raise ModelFailed("model.endless")

    def end_paragraph(self) -> None:
        """What is said next begins a paragraph."""
        self._paragraph = True

    def end_with(self, sentence: str) -> None:
        """Say our own last sentence, as a paragraph, however much was said before."""
        self._speak(f"{GAP}{sentence}" if self.length else sentence)

    def close(self) -> str:
        """Say what has not been said yet; answers all that was said."""
        self._flush()
        return "".join(self._pieces)

    def _speak(self, text: str) -> None:
        self.length += len(text)
        self._unsaid.append(text)
        if self._timer is None:
            self._flush()
            self._wait()
        elif text.endswith(_SENTENCE_ENDS) and sum(map(len, self._unsaid)) >= _SENTENCE:
            self._flush()

    def _say(self) -> None:
        """Say what waits; while there is something to say, once every 40 ms."""
        self._timer = None
        if self._unsaid:
            with suppress(Refused):  # the session has ended: nobody listens, the reply stays owed
                self._flush()
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(FLUSH, self._say)

    def _flush(self) -> None:
        text = "".join(self._unsaid)
        self._unsaid.clear()
        if text:
            self._pieces.append(text)
            self._said(text, self.by)


class _Talk:
    """The models and the tools in turn, until a model has said what it had to say."""

    def __init__(self, reply: OwedReply, desk: Desk, speech: Speech) -> None:
        self.problem: str | None = None
        """Why it is not the usual model that answers."""
        self.tools_used = bool(reply.steps)
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
        text: list[str] = []
        calls: list[ToolCall] = []
        self._speech.by = self._models[0].name
        async with aclosing(self._models[0].answer(self._turns, self._desk.tools)) as pieces:
            async for piece in pieces:
                match piece:
                    case TextDelta():
                        text.append(piece.text)
                        self._speech.add(piece.text)
                    case ToolCall():
                        calls.append(piece)
        if not calls and not self._speech.length:
            raise ModelFailed("model.empty")
        return "".join(text), calls

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
        self._turns.extend(result_turn(call.call_id, result) for call, result in zip(mine, results, strict=True))

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
