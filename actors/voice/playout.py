"""The ledger of what the coach said aloud: which frames of the voice hold which words of which text."""

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from actors.media import FRAME, SPOKEN_RATE, Word
from actors.voice.levels import Levels

SAMPLES: Final = int(FRAME * SPOKEN_RATE)
VOICED: Final = 300
"""A peak from which a frame is part of the words: below it is breath and silence around them."""
SYLLABLE: Final = 0.19 / FRAME
"""Frames of a syllable, as long as it is not known how many frames a line will have."""
KEPT: Final = 3_000
"""Frames, one minute: entries that ended longer ago are of no use to anybody."""
ROUNDING: Final = 1e-6
_NUCLEI: Final = re.compile(r"[aeiouyäöüáàâéèêíìîóòôúùûå]+|\d", re.IGNORECASE)
_STOPS: Final = ".,;:!?…–—"  # noqa: RUF001 - as they are written
BREATH: Final = 1.5
"""Syllables that the pause after a mark takes."""


class Place(msgspec.Struct, frozen=True):
    """A word: its frames [first, end), and where it ends in the reply's text."""

    first: int
    end: int
    offset: int


@dataclass(slots=True)
class _Entry:
    """One line: frames [first, end) so far. `start` and `stop` are its place in the written text."""

    generation: int
    line: int
    spoken: str
    written: str
    start: int
    stop: int
    first: int
    end: int
    whole: bool = False
    words: list[Word] = field(default_factory=list)
    levels: Levels = field(default_factory=lambda: Levels(SAMPLES))
    places: list[Place] | None = None


class Playout:
    """Append-only. Frames are those of the call's one voice, so that lines of all generations stand in one order."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def begin(self, generation: int, line: int, spoken: str, written: str, start: int, frame: int) -> None:
        """That frame is the first of this line, which speaks `written`: the reply's text from `start` on; "" is no part of it."""
        while self._entries and self._entries[0].generation != generation and self._entries[0].end < frame - KEPT:
            del self._entries[0]
        stop = start + len(written)
        self._entries.append(_Entry(generation, line, spoken, written, start, stop, frame, frame))

    def grow(self, line: int, frames: int, pcm: bytes, words: Sequence[Word], *, whole: bool) -> None:
        """The newest line was given this sound, up to that frame. Whole: there is no more."""
        entry = self._entries[-1]
        if entry.line != line:
            raise ValueError(f"line {line} is not the newest")
        entry.end, entry.whole, entry.places = max(entry.end, frames), whole, None
        entry.words.extend(words)
        entry.levels.add(pcm)

    def has(self, generation: int, line: int) -> bool:
        """Whether any sound of it was given."""
        return any((entry.generation, entry.line) == (generation, line) for entry in reversed(self._entries))

    def line_at(self, generation: int, frame: int) -> int | None:
        """The generation's line of which that frame is."""
        for entry in reversed(self._entries):
            if entry.generation == generation and entry.first <= frame < entry.end:
                return entry.line
        return None

    def end(self, line: int) -> int:
        """The frame after its last one so far."""
        return next((entry.end for entry in reversed(self._entries) if entry.line == line), 0)

    def heard(self, generation: int, frames: int) -> int:
        """How far the generation's written text was heard, up to the last whole word, if so many frames were."""
        return max(self._offsets(generation, frames), default=0)

    def word_start(self, frame: int) -> int:
        """Where to go on from so that no word begins in its middle: at most that frame."""
        for entry in reversed(self._entries):
            if entry.first <= frame < entry.end:
                firsts = [place.first for place in _places(entry)]
                known = bisect_right(firsts, frame)
                return firsts[known - 1] if known else entry.first
        return frame

    def around(self, first: int, end: int) -> str:
        """What the lines say that have any of these frames."""
        return " ".join(entry.spoken for entry in self._entries if entry.first < end and first < entry.end)

    def levels(self, first: int, end: int) -> list[int]:
        """The peak of each of these frames; 0 where nothing was given."""
        peaks = [0] * max(0, end - first)
        for entry in self._entries:
            for frame, peak in enumerate(entry.levels.peaks, entry.first):
                if first <= frame < end:
                    peaks[frame - first] = peak
        return peaks

    def _offsets(self, generation: int, heard: int) -> Iterator[int]:
        for entry in self._entries:
            if entry.generation != generation or not entry.written:
                continue
            if entry.whole and entry.end <= heard:
                yield entry.stop
            elif entry.first < heard:
                yield from (place.offset for place in _places(entry) if place.end <= heard)


def _places(entry: _Entry) -> list[Place]:
    if entry.places is None:
        timed = [(word.text, entry.first + word.start / FRAME, entry.first + word.end / FRAME) for word in entry.words]
        entry.places = list(_placed(entry, timed or _estimated(entry)))
    return entry.places


def _placed(entry: _Entry, timed: Sequence[tuple[str, float, float]]) -> Iterator[Place]:
    """Words are found in the written text one after another; what is not written as it is spoken is passed over."""
    position = 0
    for text, first, end in timed:
        word = text.strip().strip(_STOPS)
        found = entry.written.find(word, position) if word else -1
        if found >= 0:
            position = found + len(word)
            position += len(entry.written[position:]) - len(entry.written[position:].lstrip(_STOPS))
        yield Place(int(first + ROUNDING), math.ceil(end - ROUNDING), entry.start + position)


def _estimated(entry: _Entry) -> list[tuple[str, float, float]]:
    """Each word has its share of the voiced frames by its syllables; before the line is whole, the usual length."""
    words = entry.spoken.split()
    weights = [syllables(word) for word in words]
    total = sum(weights)
    voiced = [frame for frame, peak in enumerate(entry.levels.peaks) if peak >= VOICED]
    begins = entry.first + (voiced[0] if voiced else 0)
    ends = entry.first + voiced[-1] + 1 if voiced else entry.end
    length = ends - begins if entry.whole else max(ends - begins, total * SYLLABLE)
    timed, before = [], 0.0
    for word, weight in zip(words, weights, strict=True):
        first, before = begins + length * before / total, before + weight
        timed.append((word, first, begins + length * before / total))
    return timed


def syllables(word: str) -> float:
    """How long a word takes to say, pause after it included."""
    return max(1, len(_NUCLEI.findall(word))) + BREATH * word.endswith(tuple(_STOPS))
