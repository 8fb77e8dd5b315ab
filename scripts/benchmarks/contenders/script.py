"""What the models of every contender do, and how long it takes them: only what is between them is measured."""

from collections.abc import Iterator
from typing import Final

import numpy as np

TRANSCRIBES: Final = 0.2
"""Seconds for the words of a stretch of speech, however long."""
FIRST_TOKEN: Final = 0.3
"""Seconds to the first words of an answer, which come as whole sentences at once."""
FIRST_SOUND: Final = 0.15
"""Seconds to the first sound of a sentence."""
CHUNK: Final = 0.1
"""Seconds of sound in a piece; the pieces of a sentence follow each other without waiting."""
WAITS: Final = 0.8
"""Seconds of silence after which somebody has finished, where nobody judges what was said."""
SENTENCES: Final = ("That is a good plan for this spring. ", "Shall we begin with three short runs a week?")
SECONDS: Final = 1.5
"""Of sound in each sentence."""
RATE: Final = 24_000
_SHORT: Final = 2.0


def heard_as(seconds: float) -> str:
    """What a stretch of speech of that length is taken for."""
    return "Stop, please wait a moment." if seconds < _SHORT else "Please add a goal to run ten kilometres in spring."


def sentence() -> Iterator[bytes]:
    """The sound of one, a tone, in pieces."""
    times = np.arange(int(RATE * CHUNK)) / RATE
    piece = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16).tobytes()
    for _ in range(round(SECONDS / CHUNK)):
        yield piece
