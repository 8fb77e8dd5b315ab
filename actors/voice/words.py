"""What words mean for whose turn it is: a stop, a mere nod, noise, our own echo, a thought not finished."""

import re
from difflib import SequenceMatcher
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")  # noqa: RUF001 - as it is written
_ASIDE: Final = re.compile(r"\[[^\]]*\]|\([^)]*\)|\*[^*]*\*|[♪♫]+")
_DEMANDS: Final = (
    "stop|stopp|halt|warte|warte mal|wait|wait a minute|wait a moment|hold on|moment|moment mal|einen moment|one moment|"
    "sekunde|hör auf|hör bitte auf|aufhören|sei still|shut up|be quiet|quiet|ruhe|pause|genug|enough|that's enough|"
    "das reicht|reicht|schluss|stop it|stop talking|hush|cancel|abbrechen"
)
_STOPS: Final = frozenset(_DEMANDS.split("|"))
_SIGNS: Final = (
    "mhm mm mmm hm hmm hmhm uh uhm um huh uhhuh äh ähm öh ah aha ach oh ooh ja jaja jap jo yeah yep yes yup ok okay "
    "right genau klar gut good sure stimmt richtig exactly fine nice cool super wow so i see well alles alright"
)
_NODS: Final = frozenset(_SIGNS.split())
NODDING: Final = 3
"""Words of a mere nod, at most."""
_INVENTED: Final = (
    "thank you for watching", "thanks for watching", "please subscribe", "see you in the next video",
    "untertitel der amara.org-community", "untertitel im auftrag des zdf", "untertitelung des zdf",
    "vielen dank fürs zuschauen", "danke fürs zuschauen", "copyright wdr", "subtitles by the amara.org community",
)  # fmt: skip
"""What transcribers are known to make of silence."""
_THINKING: Final = re.compile(
    r"(?:let me (?:think|see)|give me a (?:second|moment)|hang on|lass mich (?:\w+ )*(?:überlegen|nachdenken|schauen)|"
    r"wie war das|how (?:do|shall) i put it|moment|ähm?|öhm?|uhm?|um|hmm+)\W*$",
    re.IGNORECASE,
)
_OPEN: Final = re.compile(
    r"\b(?:and|but|or|because|so|if|that|the|a|to|of|with|und|aber|oder|weil|dass|wenn|der|die|das|ein|eine|mit|für|zu)"
    r"\W*$|,\s*$",
    re.IGNORECASE,
)
_SPELLED: Final = re.compile(
    r"(?:\d[\d\s.,/:-]*|(?:\b\w\b[\s.,-]*){2,}|\b(?:at|dot|punkt|bindestrich|minus)\b)\W*$", re.IGNORECASE
)
THINKS: Final = 4.0
SPELLS: Final = 1.5
"""Seconds of patience with who thinks aloud, and with who says digits, spells, or stands before the rest of a sentence."""


def words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(_ASIDE.sub(" ", text))]


def is_noise(text: str) -> bool:
    """No words, or words nobody said."""
    plain = text.casefold().strip(" .!…♪")
    return not words(text) or any(plain.startswith(invented) for invented in _INVENTED)


def is_stop(text: str) -> bool:
    """Nothing else than a demand to be silent."""
    said = words(text)
    plain = " ".join(word for word in said if word not in {"bitte", "please", "jetzt", "now"})
    return 0 < len(said) <= 5 and (plain in _STOPS or (bool(said) and len(set(said)) == 1 and said[0] in _STOPS))


def is_nod(text: str) -> bool:
    """What listeners say to show that they listen."""
    said = words(text)
    return 0 < len(said) <= NODDING and all(word in _NODS for word in said)


def is_echo(text: str, ours: str) -> bool:
    """Most of it, in order, is what we say ourselves. Two words are too few to tell."""
    said = words(text)
    if len(said) < 3:
        return False
    match = SequenceMatcher(None, said, words(ours), autojunk=False)
    same = sum(block.size for block in match.get_matching_blocks())
    return same >= 0.7 * len(said)


def patience(text: str) -> float:
    """Seconds to wait for more after these words; 0: as long as ever."""
    if _THINKING.search(text):
        return THINKS
    return SPELLS if _SPELLED.search(text) or _OPEN.search(text) else 0.0
