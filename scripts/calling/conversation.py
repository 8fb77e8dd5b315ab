"""A whole call: the files are spoken one after another, each when its turn is, and each answer is waited for."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

from scripts.calling.line import Line
from scripts.calling.mouth import Utterance
from scripts.calling.signals import Signals
from scripts.calling.timeline import Turn
from scripts.terminal.account import RefusalError
from scripts.terminal.talk import Talk

CONNECTED_WITHIN: Final = 10.0
QUIET: Final = 0.6
"""Seconds without a loud packet after which the coach has finished, when the server says that it listens."""
SILENT: Final = 1.8
"""The same, when the server says nothing."""
TOLD_WITHIN: Final = 1.0
"""Seconds in which the server tells a turn's stages once it is over."""
LONGEST: Final = 180.0
"""Seconds an answer may last."""
LOOK: Final = 0.05
_UNREACHABLE: Final = (
    "The call was accepted, but no sound can pass between here and the server: UDP is blocked somewhere on the way. "
    "scripts/doctor says what to mend."
)

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
        self._call_id = ""

    async def call(self, *, take_over: bool = False) -> None:
        """Returns once sound can go both ways."""
        answer = await self._talk.order("call.offer", {"sdp": await self._line.offer(), "take_over": take_over})
        self._call_id = answer["call_id"]
        self._signals.belongs_to(self._call_id)
        await self._line.accept(answer["sdp"])
        try:
            await asyncio.wait_for(self._line.connected.wait(), CONNECTED_WITHIN)
        except TimeoutError:
            raise RefusalError("call.unreachable", _UNREACHABLE) from None

    async def speak(self, files: Sequence[tuple[str, Utterance]]) -> list[Turn]:
        """Each answered or not: after the first that is not answered no more are spoken."""
        spoken: list[tuple[Turn, Utterance]] = []
        for name, utterance in files:
            spoken.append((turn := Turn(name), utterance))
            self._line.mouth.speak(utterance)
            await self._either(utterance.ended.wait())
            interrupts = self._plan.interrupt is not None
            settled = await self._answered(turn, utterance, interrupts=interrupts and len(spoken) > 1)
            if not settled:
                break
            await self._either(self._interruptible() if interrupts and len(spoken) < len(files) else self._finished())
        await self._tell_stages(spoken)
        return [turn for turn, _ in spoken]

    async def hang_up(self) -> None:
        await self._talk.order("call.end", {"call_id": self._call_id})

    async def _answered(self, turn: Turn, utterance: Utterance, *, interrupts: bool) -> bool:
        """Waits for the first sound of the answer; what interrupts has done enough when the coach listens."""
        waiting = self._line.ear.voice_after(utterance.voice_ended)
        try:
            async with asyncio.timeout(self._plan.patience):
                came = await self._either(self._or_silence(waiting, utterance) if interrupts else waiting)
        except TimeoutError:
            return False
        turn.silenced = self._silenced(utterance) if interrupts else None
        turn.voice_to_voice = None if came is None else came - utterance.voice_ended
        return turn.settled

    async def _or_silence(self, answer: Coroutine[Any, Any, float], utterance: Utterance) -> float | None:
        """When the answer begins; None when the coach has only listened since."""
        coming = asyncio.ensure_future(answer)
        try:
            while not coming.done():
                await asyncio.wait([coming], timeout=LOOK)
                quiet = time.monotonic() - max(self._line.ear.last, utterance.voice_ended)
                if self._signals.state == "listening" and quiet > SILENT:
                    break
            return coming.result() if coming.done() else None
        finally:
            coming.cancel()

    async def _interruptible(self) -> None:
        await asyncio.sleep(self._plan.interrupt or 0)

    async def _finished(self) -> None:
        """The coach listens again and has been quiet for a while. Nothing announces the end of a silence."""
        async with asyncio.timeout(LONGEST):
            while time.monotonic() - self._line.ear.last < self._pause:  # noqa: ASYNC110 - as above
                await asyncio.sleep(LOOK)

    @property
    def _pause(self) -> float:
        """A coach that thinks, or a small one that is slow to go on, has not finished."""
        pauses = {"listening": QUIET, "thinking": LONGEST, "speaking": SILENT}
        return pauses.get(self._signals.state, SILENT)

    async def _either(self, wanted: Coroutine[Any, Any, T]) -> T:
        """What is wanted, unless the call ends first."""
        ended = asyncio.ensure_future(self._signals.until(lambda: self._signals.state == "ended"))
        waiting = asyncio.ensure_future(wanted)
        try:
            await asyncio.wait([waiting, ended], return_when=asyncio.FIRST_COMPLETED)
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
        """Each turn has what the server told last between the end of its words and the end of the next one's."""
        answered = sum(turn.voice_to_voice is not None for turn, _ in turns)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._signals.until(lambda: len(self._signals.turns) >= answered), TOLD_WITHIN)
        ends = [utterance.voice_ended for _, utterance in turns] + [float("inf")]
        for (turn, _), (begin, end) in zip(turns, pairwise(ends), strict=True):
            told = [stages for at, stages in self._signals.turns if begin <= at < end]
            turn.stages = told[-1] if told else {}
