"""A whole call: the files are spoken one after another, each when its turn is, and each answer is waited for."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

from scripts.calling.keeping import LOOK, Keeping
from scripts.calling.line import Line
from scripts.calling.mouth import Utterance
from scripts.calling.signals import Signals
from scripts.calling.timeline import Turn
from scripts.terminal.account import RefusalError
from scripts.terminal.talk import Talk

QUIET: Final = 0.6
"""Seconds without a loud packet after which the coach has finished, when the server says that it listens."""
SILENT: Final = 1.8
"""The same, after an interruption that is no turn."""
TOLD_WITHIN: Final = 1.0
"""Seconds in which the server tells a turn's stages once it is over."""
LONGEST: Final = 180.0
"""Seconds an answer may last."""

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """`interrupt`: seconds into the coach's answer at which the next file begins; None waits for its end."""

    patience: float = 30.0
    interrupt: float | None = None


class Conversation:
    """One call of a signed-in person over a connected `Talk`. Every step raises RefusalError."""

    def __init__(self, talk: Talk, line: Line, signals: Signals, plan: Plan) -> None:
        self._talk = talk
        self._line = line
        self._signals = signals
        self._plan = plan
        self._keeping = Keeping(talk, line, signals)
        self._kept: asyncio.Task[None] | None = None

    async def call(self, *, take_over: bool = False) -> None:
        """Returns once sound can go both ways; from then on the call is kept."""
        await self._keeping.offer(take_over=take_over)
        self._kept = asyncio.create_task(self._keeping.run(), name="say.keeping")

    async def speak(self, files: Sequence[tuple[str, Utterance]]) -> list[Turn]:
        """Each answered or not: after the first that is not answered no more are spoken."""
        spoken: list[tuple[Turn, Utterance]] = []
        for name, utterance in files:
            spoken.append((turn := Turn(name), utterance))
            self._line.mouth.speak(utterance)
            await self._either(utterance.ended.wait())
            interrupts = self._plan.interrupt is not None
            await self._answered(turn, utterance, interrupts=interrupts and len(spoken) > 1)
            if turn.settled and interrupts and len(spoken) < len(files):
                await self._either(self._interruptible(turn, utterance))
            elif turn.settled:
                await self._finished(turn, utterance)
            if not turn.settled:
                break
        await self._tell_stages(spoken)
        return [turn for turn, _ in spoken]

    async def hang_up(self) -> None:
        """Where there is still something to end."""
        if self._kept is not None:
            self._kept.cancel()
            await asyncio.wait([self._kept])
            if self._kept.cancelled() and self._signals.state != "ended":
                await self._talk.order("call.end", {"call_id": self._keeping.call_id})

    async def _answered(self, turn: Turn, utterance: Utterance, *, interrupts: bool) -> None:
        """Waits until the answer is heard; what interrupts has done enough when the coach listens."""
        signals, began = self._signals, utterance.voice_began

        def answered() -> bool:
            return any(told.sent is not None for told in signals.since(began)) or bool(signals.answers_since(began))

        waiting = signals.until(answered)
        try:
            async with asyncio.timeout(self._plan.patience):
                await self._either(self._or_silence(waiting, utterance) if interrupts else waiting)
        except TimeoutError:
            turn.late = self._plan.patience
        turn.silenced = self._silenced(utterance) if interrupts else None
        self._measure(turn, utterance)

    def _measure(self, turn: Turn, utterance: Utterance) -> None:
        """What was heard, and which of it was the answer: by what the server told of the newest turn of the file."""
        ear, ended = self._line.ear, utterance.voice_ended
        told = [told for told in self._signals.since(utterance.voice_began) if told.sent is not None]
        answers = self._signals.answers_since(utterance.voice_began)
        turn.written = bool(answers) and not answers[-1]["spoken"]
        first = ear.began_after(ended)
        turn.first_sound = None if first is None else first - ended
        if told and told[-1].filled:
            turn.voice_to_voice = ear.voice_from(ended + (told[-1].sent or 0)) - ended
        elif told or (answers and not turn.written):
            turn.voice_to_voice = turn.first_sound

    async def _or_silence(self, answer: Coroutine[Any, Any, None], utterance: Utterance) -> None:
        """Until the answer begins, or the coach has only listened for a while and owes none."""
        coming = asyncio.ensure_future(answer)
        try:
            while not coming.done():
                await asyncio.wait([coming], timeout=LOOK)
                quiet = time.monotonic() - max(self._line.ear.last, utterance.voice_ended)
                owes = self._signals.state != "listening" or self._signals.waits_since(utterance.voice_began)
                if quiet > SILENT and not owes:
                    break
        finally:
            coming.cancel()

    async def _interruptible(self, turn: Turn, utterance: Utterance) -> None:
        into = utterance.voice_ended + (turn.voice_to_voice or 0) + (self._plan.interrupt or 0)
        await asyncio.sleep(max(0, into - time.monotonic()))

    async def _finished(self, turn: Turn, utterance: Utterance) -> None:
        """The answer is kept, so it has been played; the coach listens again and has been quiet for a while."""
        try:
            async with asyncio.timeout(LONGEST):
                await self._either(self._quiet(utterance))
        except TimeoutError:
            turn.late = LONGEST

    async def _quiet(self, utterance: Utterance) -> None:
        """Nothing announces the end of a silence."""
        signals = self._signals

        def speaks() -> bool:
            late = signals.waits_since(utterance.voice_began) or signals.state != "listening"
            return late or time.monotonic() - self._line.ear.last < QUIET

        while speaks():  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK)

    async def _either(self, wanted: Coroutine[Any, Any, T]) -> T:
        """What is wanted, unless the call ends first, or can't be kept."""
        ended = asyncio.ensure_future(self._signals.until(lambda: self._signals.is_over))
        waiting = asyncio.ensure_future(wanted)
        either = [waiting, ended] if self._kept is None else [waiting, ended, self._kept]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._kept is not None and self._kept.done():
                self._kept.result()
            if not waiting.done():
                raise RefusalError(
                    "call.ended", f"The server ended the call ({self._signals.reason or 'no reason told'})."
                )
            return waiting.result()
        finally:
            ended.cancel()
            waiting.cancel()

    def _silenced(self, interruption: Utterance) -> float | None:
        """None when the coach was not speaking as it began."""
        speaking = self._line.ear.stretch_at(interruption.voice_began)
        return None if speaking is None else speaking.ended - interruption.voice_began

    async def _tell_stages(self, turns: Sequence[tuple[Turn, Utterance]]) -> None:
        """Each file has the newest turn that was told of between its first word and the first of the next one."""
        signals = self._signals
        answered = sum(turn.voice_to_voice is not None for turn, _ in turns)
        with contextlib.suppress(TimeoutError):
            told = signals.until(lambda: sum(bool(told.stages) for told in signals.turns.values()) >= answered)
            await asyncio.wait_for(told, TOLD_WITHIN)
        began = [utterance.voice_began for _, utterance in turns] + [float("inf")]
        for (turn, _), (begin, end) in zip(turns, pairwise(began), strict=True):
            known = [told.stages for told in signals.since(begin, end) if told.stages]
            turn.stages = known[-1] if known else {}
