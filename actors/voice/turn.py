"""Whose turn it is: what was heard and what became of requests in, what is to be done out. The time is an argument."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, Literal

from actors.media import Progress
from actors.voice import moves, words
from actors.voice.coach import Coach
from actors.voice.endpointing import Ended, Filled, Paused, Resumed, Segment, Started
from actors.voice.interruption import LOOK, Interruption
from actors.voice.messages import CallState, ReplyEnded, ReplySaid, ReplyTool
from actors.voice.moment import Deadline, Moment
from actors.voice.phrases import NOT_CAUGHT
from actors.voice.timeline import Marks
from actors.voice.timings import Timings
from actors.voice.utterance import Utterance

State = Literal["idle", "listening", "maybe_done", "committed", "thinking", "speaking", "paused", "tool_wait"]
SHOWN: Final[dict[State, CallState]] = {
    "idle": "listening", "listening": "listening", "maybe_done": "listening", "committed": "thinking",
    "thinking": "thinking", "tool_wait": "thinking", "speaking": "speaking", "paused": "speaking",
}  # fmt: skip
AT_ONCE: Final = 8
"""Deadlines that are met at one time, at most: others at the next, which is then at once."""
COUGH: Final = 0.4
"""Seconds of speech below which nobody is asked to repeat what had no words."""


class Turns:
    """Of one call. `take` answers what is to be done about an event; at `due` it wants to be told that it is."""

    def __init__(self, timings: Timings, language: str) -> None:
        self.due = math.inf
        self._moment = Moment()
        self._coach = Coach(self._moment, timings, language)
        self._interruption = Interruption(self._moment, self._coach, timings.words)
        self._timings = timings
        self._epoch: int | None = None
        self._away_since: float | None = None
        self._turn = 0
        self._utterance: Utterance | None = None
        self._asked_again = False
        self._leaving: str | None = None
        """Why the call ends as soon as nobody is in the middle of a sentence, by `_leave_by` at the latest."""
        self._leave_by = math.inf
        self._over = False
        self._shown: CallState = "connecting"
        self._on = self._handlers()
        self._heard: dict[type, Callable[[Any], None]] = {
            Started: self._started,
            Paused: self._paused,
            Resumed: self._resumed,
            Filled: self._filled,
            Ended: self._ended,
        }

    @property
    def state(self) -> State:
        if self._interruption.held:
            return "paused"
        if self._coach.is_sounding:
            return "speaking"
        spoken = self._utterance
        if spoken is not None and spoken.speaking:
            return "maybe_done" if spoken.pausing else "listening"
        if self._coach.owes:
            return "tool_wait" if self._coach.is_working else "speaking" if self._coach.has_begun else "thinking"
        return "idle" if spoken is None else "committed"

    @property
    def _is_coach_busy(self) -> bool:
        return self._coach.owes or self._coach.is_sounding

    def take(self, event: moves.Event, now: float, progress: Progress) -> list[moves.Action]:
        """What is to be done, in this order."""
        moment = self._moment
        moment.now, moment.progress, moment.todo, moment.problem = max(now, moment.now), progress, [], None
        if self._over:
            return []
        if self._away_since is None and self._epoch is None:
            self._away_since = now
        self._on[type(event)](event)
        self._go_on()
        return moment.todo

    def _handlers(self) -> dict[type, Callable[[Any], None]]:
        coach = self._coach
        return {
            moves.Attached: self._attached,
            moves.Lost: self._lost,
            moves.Perceived: self._perceived,
            moves.Transcribed: self._transcribed,
            moves.NotTranscribed: self._not_transcribed,
            moves.Measured: self._measured,
            moves.Taken: coach.taken,
            moves.NotTaken: coach.not_taken,
            ReplySaid: coach.hear_of,
            ReplyTool: coach.hear_of,
            ReplyEnded: coach.hear_of,
            moves.Sounded: coach.sounded,
            moves.Made: coach.made,
            moves.NotMade: coach.made,
            moves.Queued: coach.speaking.queued,
            moves.HungUp: self._hung_up,
            moves.Due: lambda _: None,
        }

    # the line

    def _attached(self, attached: moves.Attached) -> None:
        self._epoch, self._away_since = attached.epoch, None
        self._coach.resume(back=True)

    def _lost(self, lost: moves.Lost) -> None:
        """Who was speaking has ended; what they had said is answered when they are back, or in the chat."""
        if lost.epoch != self._epoch:
            return
        self._away_since = self._moment.now
        self._interruption.forget()
        self._moment.do(moves.Pause())
        spoken = self._utterance
        if spoken is not None and spoken.speaking:
            spoken.end(self._moment.now, self._moment.now)
            self._utterance = spoken if spoken.parts else None

    # the user

    def _perceived(self, perceived: moves.Perceived) -> None:
        if perceived.epoch == self._epoch and self._away_since is None:
            self._heard[type(perceived.found)](perceived.found)

    def _started(self, started: Started) -> None:
        """Who goes on before their words were given on had not ended. Who speaks while the coach does may interrupt."""
        now, busy = self._moment.now, self._is_coach_busy
        spoken = self._utterance
        if spoken is None:
            self._turn += 1
            spoken = self._utterance = Utterance(self._turn, 0, self._moment.progress.heard, beside=busy)
        spoken.begin(started.sample, now, busy=busy)
        if busy and spoken.beside:
            self._interruption.begin()
        elif busy:
            self._coach.cut()

    def _paused(self, paused: Paused) -> None:
        spoken = self._utterance
        if spoken is not None:
            spoken.pause(paused.voiced)
            self._ask(spoken, paused.segment)

    def _resumed(self, _: Resumed) -> None:
        if self._utterance is not None:
            self._utterance.pausing = False

    def _filled(self, filled: Filled) -> None:
        if self._utterance is not None:
            self._ask(self._utterance, filled.segment)

    def _ended(self, ended: Ended) -> None:
        spoken = self._utterance
        if spoken is not None:
            spoken.end(self._moment.now, ended.spoken_until, ended.voiced)
            if not (spoken.beside and self._is_coach_busy):
                self._coach.turn = spoken.turn
            self._ask(spoken, ended.segment)

    def _ask(self, spoken: Utterance, segment: Segment) -> None:
        if spoken.waits_for(segment):
            self._moment.do(moves.Transcribe(spoken.turn, segment))

    # its words

    def _transcribed(self, told: moves.Transcribed) -> None:
        spoken = self._utterance
        if spoken is None or spoken.turn != told.turn:
            return
        if told.interim:
            spoken.looking = False
        elif not spoken.told(told.segment, told.text, None):
            return
        if spoken.beside and self._is_coach_busy:
            self._interruption.weigh(spoken, told.text, final=not told.interim)
        elif not words.is_noise(told.text) and (not told.interim or told.segment.start >= spoken.known_until):
            text = f"{spoken.text} {told.text}".strip() if told.interim else spoken.text
            self._moment.do(moves.Caption(spoken.turn, "user", text, final=False))

    def _not_transcribed(self, failed: moves.NotTranscribed) -> None:
        spoken = self._utterance
        if spoken is not None and spoken.turn == failed.turn:
            spoken.looking = spoken.looking and not failed.interim
            if not failed.interim:
                spoken.told(failed.segment, None, failed.code)

    def _measure(self) -> None:
        if self._utterance is not None:
            self._interruption.measure(self._utterance)

    def _measured(self, measured: moves.Measured) -> None:
        if self._utterance is not None and self._utterance.turn == measured.turn:
            self._interruption.measured(self._utterance, measured)

    # what follows

    def _go_on(self) -> None:
        """Whatever is due, until nothing more is; then say how things are and when to be asked again."""
        for _ in range(AT_ONCE):
            spoken, held = self._utterance, self._interruption.held
            if held or (spoken is not None and spoken.speaking and not spoken.beside):
                self._coach.wait()
            if spoken is not None and not spoken.speaking and not held and spoken.whole:
                self._commit(spoken)
            self._coach.go_on(there=self._away_since is None and not held)
            if self._leaving is not None and self._may_leave:
                self._end(self._leaving)
            self.due, act = math.inf, nothing
            for at, due in self._deadlines():
                if at < self.due:
                    self.due, act = at, due
            if self.due > self._moment.now:
                break
            act()
        self._show()

    def _commit(self, spoken: Utterance) -> None:
        """All words are there: give them to the session, or say why not."""
        text = spoken.text
        if spoken.beside and self._is_coach_busy and not spoken.answers:
            self._utterance = None  # it was no interruption
            return
        if not self._coach.settled:
            return
        self._utterance = None
        if words.is_noise(text):
            self._not_caught(spoken)
        elif not (
            spoken.cut_in and (words.is_stop(text) or words.is_echo(text, self._interruption.in_the_air(spoken)))
        ):
            self._say(spoken, text)

    def _say(self, spoken: Utterance, text: str) -> None:
        self._asked_again = False
        marks = Marks(spoken.spoken_until)
        marks.mark("endpoint", spoken.ended_at)
        marks.mark("transcript", self._moment.now)
        self._moment.do(moves.Caption(spoken.turn, "user", text, final=True))
        self._coach.tell(spoken.turn, text, marks)

    def _not_caught(self, spoken: Utterance) -> None:
        """Said once in a row; who coughed is not asked at all."""
        if spoken.problem is not None:
            self._moment.problem = spoken.problem
            self._coach.phrase(spoken.problem, spoken.turn)
        elif spoken.voiced >= COUGH and not self._asked_again:
            self._asked_again = True
            self._coach.phrase(NOT_CAUGHT, spoken.turn)

    def _deadlines(self) -> Iterator[Deadline]:
        if self._over:
            return
        spoken, held, there = self._utterance, self._interruption.held, self._away_since is None
        if self._leaving is not None:
            yield min(self._leave_by, self._coach.sentence_ends_at), nothing
        if self._away_since is not None:
            yield self._away_since + self._timings.away, partial(self._end, "away")
        if held:
            yield self._interruption.decide_at, self._measure
        if spoken is not None and not spoken.speaking and not spoken.whole:
            yield spoken.ended_at + self._timings.transcript, self._give_up
        if spoken is not None and spoken.speaking and not spoken.pausing and not spoken.looking and there:
            caption = self._timings.caption
            yield spoken.looked_at + (LOOK if held and caption < math.inf else caption), self._look
        if self._coach.is_sounding and there and not held:
            yield self._coach.looks_at, nothing
        awaited = spoken is not None and not spoken.speaking and not (spoken.beside and self._is_coach_busy)
        yield from self._coach.deadlines(there=there and not held, awaited=awaited)

    def _give_up(self) -> None:
        if self._utterance is not None:
            self._utterance.give_up("speech.timeout")

    def _look(self) -> None:
        """The words so far, for captions and for what can't wait."""
        spoken = self._utterance
        if spoken is not None:
            spoken.looked_at, spoken.looking = self._moment.now, True
            start = max(spoken.start, spoken.known_until)
            self._moment.do(moves.Transcribe(spoken.turn, Segment(0, start, 0), interim=True))

    def _show(self) -> None:
        """An interruption that is not decided is not shown."""
        state = self._shown if self._interruption.held else SHOWN[self.state]
        if self._away_since is not None:
            state = "connecting" if self._epoch is None else "away"
        if not self._over and (state != self._shown or self._moment.problem is not None):
            self._shown = state
            self._moment.do(moves.Show(state, self._moment.problem))

    def _hung_up(self, hung_up: moves.HungUp) -> None:
        if not hung_up.gently:
            self._end(hung_up.reason)
        elif self._leaving is None:
            self._leaving, self._leave_by = hung_up.reason, self._moment.now + self._timings.leaving
            self._coach.come_to_an_end()

    @property
    def _may_leave(self) -> bool:
        """What the user says is with the session, what the coach says has come to the end of a sentence."""
        if self._away_since is not None or self._moment.now >= self._leave_by:
            return True
        return self._utterance is None and self._coach.is_between_sentences

    def _end(self, reason: str) -> None:
        self._coach.end(in_writing=reason == self._leaving)
        self._over = True
        self._moment.do(moves.Cut(), moves.Show("ended", reason), moves.End(reason))


def nothing() -> None: ...  # to be asked again is all that is wanted
