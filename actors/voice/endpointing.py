"""When a turn of the user begins and ends: speech probabilities and a judge's opinions in, what they mean out."""

import math
from dataclasses import dataclass
from typing import Final

import msgspec

from actors.media import HEARD_RATE, WINDOW

STEP: Final = WINDOW / HEARD_RATE
BEGINS: Final = 0.5
"""A window this likely to hold speech begins it; one less likely than `GOES_ON` is a pause in it."""
GOES_ON: Final = 0.35
ONSET: Final = 2
"""So many such windows in a row: 64 ms; a click is shorter."""
LEAD: Final = 10 * WINDOW
"""Samples before the onset that belong to the speech: soft consonants come before anybody is sure."""
PAUSE: Final = 0.2
"""Seconds of silence after which the judge is asked and the words so far are looked for."""
FLOOR: Final = 0.3
CEILING: Final = 1.2
START: Final = 0.5
"""The pause that ends a finished turn, in seconds: learned between these bounds, beginning with this."""
SAFE: Final = 0.8
"""That pause, when there is no judge's opinion."""
UNFINISHED: Final = 2.5
"""The pause that ends a turn that did not sound finished."""
FINISHED: Final = 0.5
MARGIN: Final = 1.25
"""The learned pause is this many times the mean of the pauses inside turns."""
WEIGHT: Final = 0.15
"""Of the newest pause in that mean."""
CUT_AFTER: Final = 12.0
"""A segment of this many seconds ends at the next pause; one of `CUT_AT` ends at once."""
CUT_AT: Final = 25.0
LONGEST: Final = 180.0
"""Seconds of one turn; who still speaks then is answered, and heard again after their next pause."""


class Segment(msgspec.Struct, frozen=True):
    """Samples [start, end) of one turn, for a transcriber. The same number again: the same segment, grown."""

    number: int
    start: int
    end: int


class Started(msgspec.Struct, frozen=True):
    """Somebody speaks. The speech begins at that sample."""

    at: float
    sample: int


class Paused(msgspec.Struct, frozen=True):
    """Silence for 200 ms: this may have been all. `voiced` seconds of the turn so far held speech."""

    at: float
    segment: Segment
    voiced: float


class Resumed(msgspec.Struct, frozen=True):
    """It was not all."""

    at: float


class Filled(msgspec.Struct, frozen=True):
    """The segment is as long as one may be; the turn goes on in the next."""

    at: float
    segment: Segment


class Ended(msgspec.Struct, frozen=True):
    """The turn is over: its last segment, and when its last speech was. Forced: they speak still."""

    at: float
    segment: Segment
    spoken_until: float
    voiced: float
    forced: bool = False


Found = Started | Paused | Resumed | Filled | Ended


@dataclass(slots=True)
class _Turn:
    """One turn as far as it has come. `start` is that of the segment in hand, `first` that of the turn."""

    start: int
    first: int
    spoken_until: float
    voiced: float = ONSET * STEP
    silence: float = 0.0
    paused: bool = False
    segment: Segment | None = None
    finished: bool | None = None
    patience: float = 0.0


class Endpointing:
    """Of one call. Time and samples come with the windows, which come in order, one each 32 ms.

    `mean` is that of the pauses inside this user's turns, as an earlier call has learned it.
    """

    def __init__(self, mean: float | None = None) -> None:
        self.mean = START / MARGIN if mean is None else mean
        self._turn: _Turn | None = None
        self._number = self._free = self._onset = 0
        self._deaf, self._quiet = False, 0.0
        self._spoken_until = -math.inf

    @property
    def limit(self) -> float:
        """The pause that ends a turn that sounds finished."""
        return min(CEILING, max(FLOOR, self.mean * MARGIN))

    @property
    def voiced(self) -> float:
        """Seconds of speech in the turn that goes on."""
        return 0.0 if self._turn is None else self._turn.voiced

    def window(self, probability: float, sample: int, at: float) -> list[Found]:
        """One more window, which ends before that sample and came at that time."""
        turn = self._turn
        in_pause = turn is None or turn.silence >= PAUSE
        loud = probability >= (BEGINS if in_pause else GOES_ON)
        self._onset = self._onset + 1 if loud else 0
        if turn is None:
            return self._wait_for_speech(sample, at)
        return self._in_pause(turn, sample, at) if in_pause else self._in_speech(turn, sample, at)

    def judge(self, segment: Segment, finished: float) -> None:
        """What the judge thinks of the speech up to this pause. What is past is nothing any more."""
        if self._turn is not None and self._turn.segment == segment:
            self._turn.finished = finished >= FINISHED

    def hint(self, segment: Segment, wait: float) -> None:
        """The words up to this pause ask for at least that many seconds of patience."""
        if self._turn is not None and self._turn.segment == segment:
            self._turn.patience = wait

    def drop(self) -> None:
        """Whoever spoke is heard no more: what they were saying is forgotten."""
        self._turn, self._onset, self._deaf = None, 0, False

    def _wait_for_speech(self, sample: int, at: float) -> list[Found]:
        if self._deaf:
            self._quiet = 0.0 if self._onset else self._quiet + STEP
            self._deaf = self._quiet < PAUSE
        if self._deaf or self._onset < ONSET:
            return []
        start = max(self._free, sample - ONSET * WINDOW - LEAD)
        self._turn = _Turn(start, start, at)
        self._number += 1
        pause = at - ONSET * STEP - self._spoken_until
        if pause < CEILING:  # who goes on at once had not finished
            self._turn.paused = True
            self._learn(pause)
        return [Started(at, start)]

    def _in_speech(self, turn: _Turn, sample: int, at: float) -> list[Found]:
        if self._onset:
            turn.silence, turn.spoken_until = 0.0, at
            turn.voiced += STEP
            return self._bounded(turn, sample, at)
        turn.silence += STEP
        if turn.silence < PAUSE:
            return []
        turn.segment = Segment(self._number, turn.start, sample)
        return [Paused(at, turn.segment, turn.voiced)]

    def _in_pause(self, turn: _Turn, sample: int, at: float) -> list[Found]:
        turn.silence += STEP
        if self._onset >= ONSET:
            return self._resume(turn, at)
        if turn.segment is None or turn.silence < self._wait(turn):
            return []
        if not turn.paused:
            self._learn(PAUSE)
        self._end(turn, sample)
        return [Ended(at, turn.segment, turn.spoken_until, turn.voiced)]

    def _resume(self, turn: _Turn, at: float) -> list[Found]:
        self._learn(turn.silence - ONSET * STEP)
        if turn.segment is not None and turn.segment.end - turn.start >= CUT_AFTER * HEARD_RATE:
            turn.start = turn.segment.end
            self._number += 1
        turn.voiced += ONSET * STEP
        turn.silence, turn.patience, turn.spoken_until = 0.0, 0.0, at
        turn.segment = turn.finished = None
        turn.paused = True
        return [Resumed(at)]

    def _bounded(self, turn: _Turn, sample: int, at: float) -> list[Found]:
        segment = Segment(self._number, turn.start, sample)
        if sample - turn.first >= LONGEST * HEARD_RATE:
            self._end(turn, sample)
            self._deaf, self._quiet = True, 0.0
            return [Ended(at, segment, at, turn.voiced, forced=True)]
        if sample + WINDOW - turn.start <= CUT_AT * HEARD_RATE:
            return []
        turn.start = sample
        self._number += 1
        return [Filled(at, segment)]

    def _end(self, turn: _Turn, sample: int) -> None:
        self._turn, self._onset = None, 0
        self._free, self._spoken_until = sample, turn.spoken_until

    def _wait(self, turn: _Turn) -> float:
        """The pause that ends this turn; without an opinion of the judge's a safe one."""
        if turn.finished is None:
            return max(self.limit, SAFE, turn.patience)
        return max(self.limit if turn.finished else UNFINISHED, turn.patience)

    def _learn(self, pause: float) -> None:
        self.mean += WEIGHT * (pause - self.mean)
