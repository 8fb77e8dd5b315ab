"""Text as it is written → sentences as they are spoken, each with its place in the text."""

import re
from typing import Final

import msgspec

_END: Final = re.compile(r"[.!?…]+\s+|\n+")


class Sentence(msgspec.Struct, frozen=True):
    """`text` is what is to be spoken of the written text's [start, end)."""

    text: str
    start: int
    end: int


class Sentences:
    """Deltas in, sentences out. What was given out covers the text in order, without a gap."""

    def __init__(self) -> None:
        self._waiting = ""
        self._start = 0

    def add(self, text: str) -> list[Sentence]:
        """The sentences that are whole now."""
        self._waiting += text
        found: list[Sentence] = []
        while match := _END.search(self._waiting):
            found.append(self._take(match.end()))
        return found

    def close(self) -> list[Sentence]:
        """The rest: there is no more text."""
        return [self._take(len(self._waiting))] if self._waiting else []

    def _take(self, length: int) -> Sentence:
        text, self._waiting = self._waiting[:length], self._waiting[length:]
        start, self._start = self._start, self._start + length
        return Sentence(text.strip(), start, self._start)
