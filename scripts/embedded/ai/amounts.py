"""Numbers as people say them: "12 books", "half", "two thirds", "3 of 12", "la mitad"."""

import re
from typing import Final, Literal, NamedTuple

from scripts.embedded.ai.date_words import NUMBERS
from scripts.embedded.ai.dates import plain

Kind = Literal["percent", "add", "amount"]
_FRACTIONS: Final = {
    r"three quarters|drei viertel|dreiviertel|trois quarts|tres cuartos": 75.0,
    r"two thirds|zwei drittel|deux tiers|dos tercios": 200 / 3,
    r"a third|one third|eine?[mn]? drittel|un tiers|un tercio": 100 / 3,
    r"a quarter|one quarter|eine?[mn]? viertel|un quart|un cuarto|una cuarta parte": 25.0,
    r"half|halfway|halb|halbe[mnrs]?|halfte|moitie|mi-chemin|mitad|medio camino|a medias": 50.0,
}
_NUMBER: Final = r"(?<![\w.,])(\d+(?:[.,]\d{3})*(?:[.,]\d+)?)(?!\d)"
_SMALL: Final = {word: float(value) for word, value in NUMBERS.items() if value > 1 and word != "couple"} | {
    "twenty": 20.0, "zwanzig": 20.0, "vingt": 20.0, "veinte": 20.0, "thirty": 30.0, "dreissig": 30.0, "trente": 30.0,
    "treinta": 30.0, "fifteen": 15.0, "funfzehn": 15.0, "quinze": 15.0, "quince": 15.0, "fifty": 50.0, "funfzig": 50.0,
    "cinquante": 50.0, "cincuenta": 50.0, "hundred": 100.0, "hundert": 100.0, "cent": 100.0, "cien": 100.0, "dozen": 12.0,
}  # fmt: skip
_WORD: Final = rf"\b({'|'.join(_SMALL)})\b"
_UNIT: Final = (
    r"\s*(?:(?:more|additional|extra|other|new|weitere[nrsm]?|neue[nrsm]?|andere[nrsm]?|autres|nouve(?:aux|lles)|otr[oa]s|nuev[oa]s)\s+)?"
    r"([^\W\d_]+)?"
)
_SHARE: Final = re.compile(rf"{_NUMBER}\s*(?:of|von|sur|de|/|out of)\s*(?:the |les |las |den )?{_NUMBER}")
_PERCENT: Final = re.compile(rf"{_NUMBER}\s*(?:%|percent|per cent|prozent|pour ?cent|por ciento)")
_ADDED: Final = re.compile(
    r"\b(?:more|another|extra|additional|today|yesterday|just|this morning|tonight|"
    r"weitere[nrs]?|noch|mehr|heute|gestern|gerade|de plus|encore|aujourd'hui|hier|mas|otr[oa]s?|hoy|ayer)\b"
)
_STANDS: Final = re.compile(
    r"\b(?:at|now|so far|total|in all|altogether|already|reached|weigh|bei|jetzt|insgesamt|bisher|schon|bereits|wiege|"
    r"maintenant|en tout|au total|deja|pese|ahora|en total|ya llevo|llevo|ya|peso)\b"
)
_TOTAL: Final = re.compile(
    r"\b(?:in total|total of|total|in all|altogether|so far|insgesamt|bisher|alles in allem|en tout|au total|en total)\b"
)
_ONE_MORE: Final = re.compile(
    r"\b(?:another|one more|noch eine?[nrsm]?|eine?[nrsm]? weitere[nrsm]?|encore une?|une? autre|otr[oa])\s+([^\W\d_]+)"
)


class Said(NamedTuple):
    value: float
    unit: str
    """The word behind the number; empty when there is none."""


def number(words: str) -> Said | None:
    """The first number in these words, with the word behind it."""
    said = plain(words)
    found = re.search(rf"{_NUMBER}{_UNIT}", said) or re.search(rf"{_WORD}{_UNIT}", said)
    if found is None:
        return None
    value = _SMALL[found[1]] if found[1] in _SMALL else _value(found[1])
    return Said(value, found[2] or "")


def progress(said: str, *, measured: bool) -> tuple[Kind, float] | None:
    """What kind of progress a sentence tells of, and how much; None when it names no number.

    Of a goal that is not measured only a share is progress: two coffees are no two per cent.
    """
    words = plain(said)
    if not measured:
        share = _share(words)
        return None if share is None else ("percent", share)
    total = _total(words)
    if total is not None:
        return "amount", total.value
    found = number(words) or _one_more(words)
    if found is None:
        return None
    stands = _STANDS.search(words) and not _ADDED.search(words)
    return ("amount" if stands else "add"), found.value


def tells(said: str) -> bool:
    """Whether it is said how much has come, or how much there is by now."""
    words = plain(said)
    return any(sign.search(words) for sign in (_ADDED, _STANDS, _TOTAL))


def _total(words: str) -> Said | None:
    """The number that a word for all together goes with: the next one, else the last before it."""
    total = _TOTAL.search(words)
    if total is None:
        return None
    before = list(re.finditer(_NUMBER, words[: total.start()]))
    return number(words[total.end() :]) or (number(words[before[-1].start() :]) if before else None)


def _one_more(words: str) -> Said | None:
    found = _ONE_MORE.search(words)
    return None if found is None else Said(1.0, found[1])


def percent(said: str) -> float | None:
    """A share in per cent: said so, as a fraction or as "3 of 12"."""
    return _share(plain(said))


def _share(words: str) -> float | None:
    if found := _PERCENT.search(words):
        return min(100.0, _value(found[1]))
    if (found := _SHARE.search(words)) and 0 < _value(found[1]) <= _value(found[2]):
        return round(100 * _value(found[1]) / _value(found[2]), 1)
    return next(
        (round(share, 1) for words_of, share in _FRACTIONS.items() if re.search(rf"\b(?:{words_of})\b", words)), None
    )


def _value(digits: str) -> float:
    """Both ways to write thousands: "1,500", "1.500", and decimals: "12.5", "12,5"."""
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", digits):
        return float(re.sub(r"[.,]", "", digits))
    whole, _, decimals = digits.replace(",", ".").rpartition(".")
    return float(f"{whole.replace('.', '')}.{decimals}") if whole else float(decimals)
