"""Whether a sound of the user's beside the coach's voice takes the turn from it: by its words, else by its sound."""

import math
from collections.abc import Sequence
from typing import Final, Literal

from actors.media import FRAME
from actors.voice import moves, words
from actors.voice.coach import Coach
from actors.voice.levels import likeness
from actors.voice.moment import Moment
from actors.voice.utterance import Utterance

Verdict = Literal["cut", "resume", "answer", "wait"]
"""`answer`: the coach may end, which it nearly has, and then it is its turn."""
VOICED: Final = 0.6
"""Seconds of speech that interrupt even without words."""
HELD: Final = 1.2
"""Seconds until it is decided in any case."""
ALIKE: Final = 0.8
"""What is so like our own sound is our own sound."""
LOOK: Final = 0.25
"""Seconds between two looks at its sound."""
BEFORE: Final = int(3 / FRAME)
AFTER: Final = int(0.5 / FRAME)
"""Frames before what was heard when they began, and after what is heard now, that may come back as an echo."""
LAG: Final = int(0.6 / FRAME)
"""Frames by which sound may come back late."""


def by_words(text: str, ours: str, *, final: bool, nearly_over: bool) -> Verdict:
    """`ours` is what the coach said meanwhile. A nod may be how a sentence begins, until the words are final."""
    if words.is_noise(text):
        return "wait"
    if words.is_echo(text, ours):
        return "resume"
    if not words.is_nod(text):
        return "cut"
    if not final:
        return "wait"
    return "answer" if nearly_over else "resume"


def by_sound(heard: Sequence[int], played: Sequence[int], voiced: float, *, goes_on: bool) -> Verdict:
    """Levels of what was heard and of what the coach played around it; who goes on speaking may yet be understood."""
    if likeness(heard, played) >= ALIKE:
        return "resume"
    if voiced >= VOICED:
        return "cut"
    return "wait" if goes_on else "resume"


class Interruption:
    """While it is not decided the voice is held. Lives in the turns of one call."""

    def __init__(self, moment: Moment, coach: Coach, patience: float) -> None:
        """`patience`: seconds for words to come, before the sound alone decides."""
        self.decide_at = math.inf
        """When its sound is to be measured, for want of words."""
        self._moment = moment
        self._coach = coach
        self._patience = patience
        self._since: float | None = None

    @property
    def held(self) -> bool:
        return self._since is not None

    def begin(self) -> None:
        self._since = self._moment.now
        self.decide_at = self._since + self._patience
        self._moment.do(moves.Pause())

    def forget(self) -> None:
        """The voice is not held on this account any more."""
        self._since, self.decide_at = None, math.inf

    def weigh(self, spoken: Utterance, text: str, *, final: bool) -> None:
        ours, nearly_over = self.in_the_air(spoken), self._coach.nearly_over
        self._decide(spoken, by_words(text, ours, final=final, nearly_over=nearly_over))

    def in_the_air(self, spoken: Utterance) -> str:
        """What the coach said around this."""
        return self._coach.speaking.playout.around(spoken.frame - BEFORE, self._moment.progress.heard + AFTER)

    def measure(self, spoken: Utterance) -> None:
        self.decide_at = self._moment.now + LOOK
        self._moment.do(moves.Measure(spoken.turn, spoken.start))

    def measured(self, spoken: Utterance, measured: moves.Measured) -> None:
        if self._since is None:
            return
        now, heard, voiced = self._moment.now, self._moment.progress.heard, max(measured.voiced, spoken.voiced)
        played = self._coach.speaking.playout.levels(heard - len(measured.levels) - LAG, heard + AFTER)
        goes_on = spoken.speaking and not spoken.pausing and now < self._since + HELD
        self.decide_at = now + max(FRAME, VOICED - voiced)
        self._decide(spoken, by_sound(measured.levels, played, voiced, goes_on=goes_on))

    def _decide(self, spoken: Utterance, verdict: Verdict) -> None:
        if verdict == "cut":
            self.forget()
            spoken.beside, spoken.cut_in = False, True
            self._coach.cut()
        elif verdict != "wait":
            spoken.answers = verdict == "answer"
            if self.held:
                self.forget()
                self._coach.resume()
