"""The coach's voice on a machine without a key: hibari, clause by clause, so that the first is heard while others are made."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

NAME: Final = "hibari, voice heart"
RATE: Final = 24_000
LONG: Final = 60
"""Characters of a sentence that is made in two pieces."""
SHORT: Final = 16
"""Of the shortest such piece: less sounds torn off."""
CLAUSE: Final = re.compile(r"(?<=[,;:—])\s+")
SILENT: Final = 0.004
"""A sample below, of at most 1, is not heard."""
BEFORE, AFTER = RATE // 25, RATE * 7 // 20
"""Samples of silence that are left."""
BREATH: Final = bytes(2 * RATE // 10)
"""What is heard of a text that has no sound."""


def is_installed() -> bool:
    return find_spec("hibari") is not None


class Voice:
    """Made in a thread: opening takes half a second, and the first words another tenth."""

    def __init__(self) -> None:
        from hibari import Hibari  # noqa: PLC0415 - part of [local] only

        self._hibari: Any = Hibari()
        self.sound("Hello.", 1.0)

    def pieces(self, text: str) -> Sequence[str]:
        """In the order in which they are made."""
        sentences: Sequence[str] = self._hibari.split_sentences(text)
        return [piece for sentence in sentences for piece in clauses(sentence)]

    def sound(self, text: str, speed: float) -> bytes:
        """16 bits little endian at 24 kHz; the same text sounds the same."""
        import numpy as np  # noqa: PLC0415 - comes with hibari

        sound = np.clip(self._hibari(text, speed=speed, seed=0), -1, 1)
        return np.asarray(trimmed(sound) * 32767, dtype="<i2").tobytes()


def trimmed(sound: Any) -> Any:
    """Without most of the silence around it, three quarters of a second between two clauses."""
    loud = abs(sound) > SILENT
    if not loud.any():
        return sound[:0]
    first, last = int(loud.argmax()), len(sound) - int(loud[::-1].argmax())
    return sound[max(0, first - BEFORE) : last + AFTER]


def clauses(sentence: str) -> Sequence[str]:
    """A long sentence in two: up to its first comma or the like that has words enough on both sides, and the rest."""
    if len(sentence) <= LONG:
        return [sentence]
    for cut in CLAUSE.finditer(sentence):
        if cut.start() >= SHORT and len(sentence) - cut.end() >= SHORT:
            return [sentence[: cut.start()], sentence[cut.end() :]]
    return [sentence]
