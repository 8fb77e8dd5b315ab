"""Whether a sound of the user's beside the coach's voice takes the turn from it: by its words, else by its sound."""

from collections.abc import Sequence
from typing import Final, Literal

from actors.media import FRAME
from actors.voice import words
from actors.voice.levels import likeness

Verdict = Literal["cut", "resume", "answer", "wait"]
"""`answer`: the coach may end, which it nearly has, and then it is its turn."""
VOICED: Final = 0.6
"""Seconds of speech that interrupt even without words."""
HELD: Final = 1.2
"""Seconds until it is decided in any case."""
ALIKE: Final = 0.8
"""What is so like our own sound is our own sound."""
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
