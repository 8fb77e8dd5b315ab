"""Whether a password is made of very few pieces: known words, runs, keyboard rows, dates; the rest counts singly.

Those who guess begin with such combinations (words from lists, then rules that substitute characters and append
years, digits and signs), so these are refused and everything else of sufficient length is not.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final

_SUBSTITUTES: Final = tuple(str.maketrans("@483!1|05$7+", letters) for letters in ("aabeiiiosstt", "aabelllosstt"))
"""Which letters signs and digits stand for; 1 and ! may be two of them."""
_ROWS: Final = (
    *("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"),
    *("qwertzuiopü", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn"),
    *("1qaz2wsx3edc4rfv5tgb6yhn7ujm", "qazwsxedcrfvtgbyhnujm", "1q2w3e4r5t6y7u8i9o0p", "!@#$%^&*()"),
)
_KEYBOARD: Final = "\n".join((*_ROWS, *(row[::-1] for row in _ROWS)))
_RUN: Final = 2
_ROW: Final = 3
_LONGEST_UNIT: Final = 32
_DATE: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"  # year, month, day
    r"|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|[12]\d|3[01])(?:19|20)?\d\d"  # day and month in either order, year
    r"|(?:19|20)\d\d"
)


def made_of(password: str, words: AbstractSet[str], pieces: int) -> bool:
    """Whether the password, case aside, is no more than so many pieces in a row."""
    text = password.casefold()
    spellings = {text, *(text.translate(table) for table in _SUBSTITUTES)}
    lengths = sorted({len(word) for word in words})
    fewest = [0] + [len(text) + 1] * len(text)
    for start in range(len(text)):
        if fewest[start] >= pieces:  # whatever follows is one piece more
            continue
        ends = {start + 1, *_patterns(text, start), *_words(spellings, start, words, lengths)}
        for end in ends - {start}:
            fewest[end] = min(fewest[end], fewest[start] + 1)
        if fewest[-1] <= pieces:
            return True
    return not text


def _words(spellings: AbstractSet[str], start: int, words: AbstractSet[str], lengths: list[int]) -> Iterator[int]:
    """Where known words end that begin here, forwards or backwards."""
    for text in spellings:
        for length in lengths:
            part = text[start : start + length]
            if len(part) == length and (part in words or part[::-1] in words):
                yield start + length


def _patterns(text: str, start: int) -> Iterator[int]:
    """Where runs, keyboard rows, dates and repetitions of what came before end."""
    yield from _run(text, start)
    for end in range(start + _ROW, len(text) + 1):
        if text[start:end] not in _KEYBOARD:
            break
        yield end
    for length in (4, 6, 8):
        if _DATE.fullmatch(text, start, start + length) and start + length <= len(text):
            yield start + length
    yield from _repetitions(text, start)


def _run(text: str, start: int) -> Iterator[int]:
    """Aaaa, 1234, dcba: the same step, of at most one code point, between neighbours."""
    end = start + 1
    while end < len(text) and -1 <= (step := ord(text[end]) - ord(text[end - 1])) <= 1:
        if ord(text[start + 1]) - ord(text[start]) != step:
            break
        end += 1
        yield end


def _repetitions(text: str, start: int) -> Iterator[int]:
    """Where what stands before `start` has been said again, as often as it is."""
    for length in range(_RUN, min(start, _LONGEST_UNIT) + 1):
        unit, end = text[start - length : start], start
        while text.startswith(unit, end):
            end += length
        yield end
