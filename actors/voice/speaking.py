"""What the coach has to say: lines made one after another, a little ahead of the voice, until all of it is heard."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from actors.media import FRAME, Progress
from actors.voice import moves
from actors.voice.playout import Playout
from actors.voice.timings import Timings

UNSURE: Final = int(1.5 / FRAME)
"""Frames before what was heard by estimate from which a voice goes on: so long may nobody have been there."""


@dataclass(frozen=True, slots=True)
class Line:
    """`written` is what it speaks of the reply's text, from `start` on; "" is no part of a reply."""

    number: int
    spoken: str
    written: str = ""
    start: int = 0

    @property
    def stop(self) -> int:
        return self.start + len(self.written)


class Speaking:
    """Of one call. A generation is all that is said until it is cut or a reply ends; older ones are past."""

    def __init__(self, timings: Timings) -> None:
        self.playout = Playout()
        self.generation = 1
        self.muted: str | None = None
        """Why the rest of this generation can only be shown."""
        self.shown = 0
        """How far the reply's text was shown in the place of being spoken."""
        self._timings = timings
        self._numbers = 0
        self._waiting: deque[Line] = deque()
        self._making: Line | None = None
        self._sound_by = self._sent_at = math.inf
        self._begins = self._end = 0  # the frames of what was not cut
        self._repeats_until = -math.inf
        self._last: int | None = None
        self._ending = False

    @property
    def busy(self) -> bool:
        """Whether there is something that the voice was not given yet."""
        return self._making is not None or bool(self._waiting)

    @property
    def made_by(self) -> float:
        """When the line in hand must have given sound."""
        return math.inf if self._making is None else self._sound_by

    def say(self, spoken: str, written: str = "", start: int = 0) -> None:
        if self._ending:
            return
        self._numbers += 1
        self._waiting.append(Line(self._numbers, spoken, written, start))

    def next(self, now: float, progress: Progress) -> Line | None:
        """The line that is to be made now, or shown if it can't be; None while the voice has enough."""
        enough = (progress.queued - progress.sent) * FRAME >= self._timings.ahead
        if not self._waiting or self._making is not None or (enough and self.muted is None):
            return None
        line = self._waiting.popleft()
        if self.muted is not None:
            self.shown = max(self.shown, line.stop)
        elif line.spoken:
            self._making, self._sound_by = line, now + self._timings.sound
        return line

    def makes(self, line: Line) -> bool:
        return line is self._making

    @property
    def making(self) -> Line | None:
        """The line in hand."""
        return self._making

    def in_hand(self, generation: int, number: int) -> Line | None:
        """That line, if it is the one in hand."""
        line = self._making
        return line if line is not None and (generation, number) == (self.generation, line.number) else None

    def sounded(self, line: Line, now: float, progress: Progress) -> bool:
        """The line in hand gives sound; true when it is its first."""
        self._sound_by = now + self._timings.sound
        if self.has_sound(line):
            return False
        written, frame = line.written, progress.queued
        self.playout.begin(self.generation, line.number, line.spoken, written, line.start, frame)
        return True

    def ended(self, generation: int, number: int) -> Line | None:
        """The line in hand is made; None when it is past."""
        line = self.in_hand(generation, number)
        if line is not None:
            self._making = None
        return line

    def has_sound(self, line: Line) -> bool:
        return self.playout.has(self.generation, line.number)

    def mute(self, line: Line, code: str) -> None:
        """That line can only be shown; so can what follows it in a reply."""
        if line.written:
            self.muted, self.shown = code, max(self.shown, line.stop)

    def left(self, progress: Progress) -> int:
        """Frames that are to be heard yet, of those the voice was given."""
        return max(0, self._end - progress.heard)

    def queued(self, queued: moves.Queued) -> None:
        self.playout.grow(queued.line, queued.frames, queued.pcm, queued.words, whole=queued.last)
        self._end = max(self._end, queued.frames)

    def resume(self, now: float, progress: Progress, *, unsure: bool) -> int:
        """The frame from which the voice goes on with what has not been heard: the beginning of a word.

        Unsure: nobody may have been there when the last of what counts as heard was sent.
        """
        heard = max(0, progress.heard - UNSURE) if unsure and not progress.confirmed else progress.heard
        frame = max(self._begins, self.playout.word_start(heard)) if heard < self._end else progress.sent
        self._repeats_until = now + max(0, progress.sent - frame) * FRAME
        return frame

    def looks_at(self, now: float, progress: Progress) -> float:
        """When the voice may have come to the end of what it has, or so near to it that the next line is made."""
        frames = self._end - progress.heard
        if self._waiting and self._making is None:
            frames = min(frames, progress.queued - progress.sent - int(self._timings.ahead / FRAME))
        end = now + max(1, frames) * FRAME
        return min(end, max(now + FRAME, self._sent_at + self._timings.unconfirmed))

    def told(self, now: float, progress: Progress) -> tuple[int, bool]:
        """How far the text of this generation's reply has come to the user, and whether that is an estimate."""
        if self.shown and not self.is_sounding(now, progress):
            return self.shown, True
        return self.playout.heard(self.generation, progress.heard), not progress.confirmed

    def come_to_an_end(self, progress: Progress) -> Line | None:
        """Nothing is said after the line that is being sent; answers another one that was in hand."""
        self._ending, self._last = True, self.playout.line_at(self.generation, progress.sent - 1)
        self._waiting.clear()
        line = self._making
        if line is None or line.number == self._last:
            return None
        self._making = None
        return line

    def last_ends_at(self, progress: Progress) -> int | None:
        """Frames until the last line is sent, as far as it is made; None once it is, or where there is none."""
        if self._last is None:
            return None
        made = self._making is None
        left = self.playout.end(self._last) - progress.sent
        return None if made and left <= 0 else left

    def end(self) -> int:
        """Nothing more of this generation is to be made; answers its number."""
        self.generation += 1
        self._waiting.clear()
        self._making = self.muted = self._last = None
        self.shown = 0
        return self.generation - 1

    def cut(self, progress: Progress) -> int:
        """And what was not sent will not be."""
        self._begins = self._end = progress.sent
        self._sent_at = self._repeats_until = -math.inf
        return self.end()

    def is_sounding(self, now: float, progress: Progress) -> bool:
        """Whether something that was given has not been heard yet."""
        if progress.sent < self._end or now < self._repeats_until:
            self._sent_at = math.inf
            return True
        self._sent_at = min(self._sent_at, now)
        return progress.heard < self._end and now < self._sent_at + self._timings.unconfirmed
