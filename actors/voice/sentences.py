"""Text as it is written → sentences as they are spoken, each with its place in the text."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

import msgspec

LONGEST: Final = 220
"""Characters of one sentence, about 15 s; a longer one is parted where it can be."""
CLAUSE: Final = 12
"""The very first sentence may end at a clause that has so many characters: something is to be heard soon."""
_ENDS: Final = re.compile(r"[.!?…。！？]+[)\]\"'»”’*_]*(?=\s)|\n")  # noqa: RUF001 - full-width marks end sentences
_CLAUSE_ENDS: Final = re.compile(r"[,;:–—]+[)\]\"'»”’*_]*(?=\s)|\s[–—-](?=\s)")  # noqa: RUF001 - as they are written
_LAST_WORD: Final = re.compile(r"[^\s(\[\"'„“»«]*$")
_SHORT: Final = (
    "dr prof mr mrs ms st vs etc e.g i.e approx no vol jr sr dept est min max fig inc ltd "
    "bzw usw ca nr str tel evtl ggf inkl exkl zzgl z.b d.h u.a o.ä u.s.w s.o s.u u.u bspw sog vgl geb mio mrd std "
    "hr fr"
)
_ABBREVIATIONS: Final = frozenset(_SHORT.split())
_INITIALS: Final = re.compile(r"(?:\w\.)*[^\W\d]")
_FENCE: Final = "```"
_UNSPOKEN: Final = tuple(
    (re.compile(pattern, re.MULTILINE), spoken)
    for pattern, spoken in (
        (r"!?\[([^\]\n]*)\]\([^)\s]*\)", r"\1"),  # links and images: their text
        (r"\]\([^)\s]*\)?", ""),  # the end of one that was parted
        (r"https?://(?:www\.)?([^\s/)\]>]+)[^\s)\]>]*", r"\1"),
        (r"<[^>\n]{1,40}>", " "),
        (r"^[ \t]*(?:[-*+•]|#{1,6}|>)[ \t]+", ""),
        (r"^[ \t|:=-]+$", ""),  # rules, and what underlines a table's head
        (r"\|", " "),
        (r"(?<!\w)[*_~]{1,3}|[*_~]{1,3}(?!\w)|\*\*|`|\[|\]", ""),
        (r"\s+", " "),
    )
)


class Sentence(msgspec.Struct, frozen=True):
    """`text` is what is to be spoken of the written text's [start, end): "" for what can only be read."""

    text: str
    start: int
    end: int


class Sentences:
    """Deltas in, sentences out: they cover the text in order, without a gap, wherever the deltas were parted."""

    def __init__(self) -> None:
        self._waiting = ""
        self._start = 0
        self._first = True
        self._fenced = False

    def add(self, text: str) -> list[Sentence]:
        """The sentences that are whole now."""
        self._waiting += text
        return list(self._whole())

    def close(self) -> list[Sentence]:
        """The rest: there is no more text."""
        rest = list(self._whole())
        if self._waiting:
            rest.append(self._take(len(self._waiting)))
        return rest

    def _whole(self) -> Iterator[Sentence]:
        begins = 0
        while (end := self._end(begins)) is not None:
            if end < LONGEST and not self._speakable(end):
                begins = end  # nothing to be heard: it belongs to what follows
                continue
            yield self._take(end)
            begins = 0

    def _end(self, begins: int) -> int | None:
        """Where the first sentence ends that ends after `begins`, as soon as that is certain."""
        text = self._waiting
        for match in _ENDS.finditer(text, begins):
            if match.end() > LONGEST:
                break
            if not self._goes_on(match):
                return self._clause(begins, match.start()) or match.end()
        clause = self._clause(begins, LONGEST)
        if clause is None and len(text) > LONGEST:
            return max(_parted(text), begins + 1)
        return clause

    def _clause(self, begins: int, before: int) -> int | None:
        """The end of the very first clause, if it comes in time."""
        if not self._first:
            return None
        found = (match.end() for match in _CLAUSE_ENDS.finditer(self._waiting, begins))
        return next((end for end in found if CLAUSE <= end <= before), None)

    def _goes_on(self, match: re.Match[str]) -> bool:
        """Whether what looks like an end is the point of an abbreviation, an initial or an ordinal."""
        if not match.group().startswith(".") or match.group().startswith(".."):
            return False
        found = _LAST_WORD.search(self._waiting, 0, match.start())
        word = found.group().casefold() if found else ""
        short = word.isdigit() and len(word) <= 2
        return short or word in _ABBREVIATIONS or _INITIALS.fullmatch(word) is not None

    def _speakable(self, end: int) -> bool:
        return any(character.isalnum() for character in _spoken(self._waiting[:end], fenced=self._fenced))

    def _take(self, length: int) -> Sentence:
        written, self._waiting = self._waiting[:length], self._waiting[length:]
        start, self._start = self._start, self._start + length
        text = _spoken(written, fenced=self._fenced)
        self._fenced ^= written.count(_FENCE) % 2 == 1
        self._first = False
        return Sentence(text if any(map(str.isalnum, text)) else "", start, self._start)


def _parted(text: str) -> int:
    """Where a text is parted that has no end for too long: at a clause, a space, or anywhere."""
    clauses = [match.end() for match in _CLAUSE_ENDS.finditer(text, 0, LONGEST) if match.end() > LONGEST // 3]
    return clauses[-1] if clauses else max(text.rfind(" ", LONGEST // 3, LONGEST), 0) or LONGEST


def _spoken(written: str, *, fenced: bool) -> str:
    """Without Markdown, code, the paths of links, and emoji."""
    text = " ".join(written.split(_FENCE)[fenced::2])
    for pattern, spoken in _UNSPOKEN:
        text = pattern.sub(spoken, text)
    return "".join(filter(_is_spoken, text)).strip()


def _is_spoken(character: str) -> bool:
    """Not what draws or joins emoji: symbols, the colours of skin, variation selectors (FE00 to FE0F)."""
    if character == "°" or character.isalnum():
        return True
    kind = unicodedata.category(character)
    return kind not in {"So", "Sk", "Cs", "Cf", "Co", "Cn", "Cc", "Me"} and not "\ufe00" <= character <= "\ufe0f"
