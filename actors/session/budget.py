"""How much fits before the model: tokens by an estimate, and the share that each part of a prompt gets."""

import math
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from actors.ports import Turn

PER_TURN: Final = 4
"""Tokens for the role and the marks around a turn."""
_MARGIN: Final = 1.1
_PIECE: Final = re.compile(r"[A-Za-z]{1,6}|\d|[\u00aa-\u058f]{1,2}|[^\W\d_]|[^\w\s]|_|\s{2,}")
_LEFT_OUT: Final = " […] "
_LONGEST_PIECE: Final = 8
"""Characters of text that one token stands for at most, by this estimate's lights."""


def tokens(text: str) -> int:
    """An estimate that needs no vocabulary: up to six Latin letters, two of another alphabet, or one of anything else.

    With its margin of a tenth it stands between 0.94 and 1.5 times what cl100k_base counts in English, German,
    French, Russian, Chinese, Japanese, JSON and program text, each digit counted as one as Qwen does; scripts that
    cl100k_base spells out byte by byte (Hindi) it takes for half as much, as newer vocabularies do.
    """
    return math.ceil(_MARGIN * len(_PIECE.findall(text)))


def cost(asked: Iterable[Turn], said: str) -> int:
    """What an answer has cost, by estimate."""
    return sum(tokens(turn.text) + PER_TURN for turn in asked) + tokens(said)


class Budget(msgspec.Struct, frozen=True):
    """Tokens for each part of a prompt beside the instructions.

    `known`: the person, what is pinned, the open goals; `summary`: what the older conversation came to; `newest`: the
    message that is answered, where the `recent` turns leave it no more. What one tool answers may have `result`, on
    top: it is there for one reply only.
    """

    known: int
    summary: int
    newest: int
    recent: int
    result: int

    @property
    def turn(self) -> int:
        """The most one turn of the past may take of the recent ones."""
        return self.recent // 3

    @property
    def summarise_at(self) -> int:
        """How many tokens of recent turns make a summary due."""
        return self.recent * 4 // 5

    @property
    def kept(self) -> int:
        """How many tokens of recent turns stand beside a new summary word for word."""
        return self.recent * 3 // 10


def budget(whole: int, *constant: str) -> Budget:
    """What is left of `whole` beside texts that stand in every prompt, in shares."""
    room = max(whole - sum(tokens(text) + PER_TURN for text in constant), 400)
    return Budget(room * 20 // 100, room * 10 // 100, room * 15 // 100, room * 53 // 100, room * 40 // 100)


def shortened(text: str, room: int) -> str:
    """The text within so many tokens: its beginning and its end, when it is longer. Equal texts are cut alike."""
    keep, beginning = len(text), min(len(text), room * _LONGEST_PIECE)
    if beginning == keep and tokens(text) <= room:
        return text
    keep = beginning
    while keep > 0:
        head = keep * 2 // 3
        cut = f"{text[:head]}{_LEFT_OUT}{text[len(text) - (keep - head) :]}"
        found = tokens(cut)
        if found <= room:
            return cut
        keep = min(keep - 1, keep * room // found)
    return ""
