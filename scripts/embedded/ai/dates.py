"""Days as people name them: "by the end of June", "in drei Wochen", "fin de mois", relative to their today."""

import calendar
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

from scripts.embedded.ai.date_words import DAYS, MONTHS, NUMBERS, UNITS, WEEKDAYS, any_of

LANGUAGES: Final = ["en", "de", "fr", "es", "it", "pt", "nl"]
_MONTH = rf"(?P<month>{any_of(MONTHS)})\b\.?"
_YEAR = r"(?:,?\s+(?:de\s+|del\s+)?(?P<year>20\d\d))?\b"
_OF = r"(?:\s+(?:of|the|du|de|del|des|der|la|le|el|this|dieses|diesen|this coming))*\s*"
_END = r"(?:the end|end|ende|la fin|fin|final(?:es)?|el final|fine|eind)"
_MIDDLE = r"(?:the middle|middle|mid|mitte|la mi|mi|mediados|meta)"
_BEGIN = r"(?:the beginning|beginning|the start|start|early|anfang|le debut|debut|principios|comienzos|inizio)"
_NEXT = r"(?:next|nachste[nrsm]?|kommende[nrsm]?|prochaine?|proxim[oa]|que viene)"
_UNTIL = (
    r"(?:by|until|till|for|on|in|im|bis|am|spatestens|d'ici|pour|en|jusqu'a|para|hasta|entro|ate|tegen|this|diesen|ce|este|"
    r"before|vor|avant|antes de|voor)"
)
_BEFORE = r"(?:before|vor|avant|antes de|voor|prima di)"
_WEEK, _MON, _YR = r"(?:week|woche|semaine|semana)", r"(?:month|monats?|mois|mes)", r"(?:year|jahre?s?|annee|an|ano)"


def _month_end(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def _year_of(found: re.Match[str], today: date, month: int, day: int) -> int:
    """The year that was said, or the one in which that day is not past."""
    if found["year"]:
        return int(found["year"])
    return today.year + ((month, day) < (today.month, today.day))


def _end_of_month(found: re.Match[str], today: date) -> date:
    month = MONTHS[found["month"]]
    return _month_end(_year_of(found, today, month, 31), month)


def _day_in_month(day: int) -> Callable[[re.Match[str], date], date]:
    def on(found: re.Match[str], today: date) -> date:
        month = MONTHS[found["month"]]
        return date(_year_of(found, today, month, day), month, day)

    return on


def _day_before_month(found: re.Match[str], today: date) -> date:
    month = MONTHS[found["month"]]
    return date(_year_of(found, today, month, 1), month, 1) - timedelta(1)


def _named_day(found: re.Match[str], today: date) -> date:
    month, day = MONTHS[found["month"]], int(found["day"])
    return date(_year_of(found, today, month, day), month, day)


def _dotted(found: re.Match[str], today: date) -> date:
    month, day = int(found["m"]), int(found["day"])
    return date(_year_of(found, today, month, day), month, day)


def _after(found: re.Match[str], today: date) -> date:
    word = found["n"]
    number = int(word) if word.isdigit() else NUMBERS[word]
    unit = UNITS[found["unit"]]
    if unit in DAYS:
        return today + timedelta(number * DAYS[unit])
    return _months_on(today, number * (12 if unit == "years" else 1))


def _months_on(day: date, months: int) -> date:
    """The same day of a later month, or its last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _weekday(found: re.Match[str], today: date) -> date:
    return today + timedelta((WEEKDAYS[found["weekday"]] - today.weekday() - 1) % 7 + 1)


def _sunday(today: date) -> date:
    return today + timedelta(6 - today.weekday())


def _end_of_next(months: int) -> Callable[[re.Match[str], date], date]:
    def end(_found: re.Match[str], today: date) -> date:
        then = _months_on(today, months)
        return _month_end(then.year, then.month)

    return end


def _quarter(found: re.Match[str], today: date) -> date:
    month = int(found["quarter"]) * 3
    return _month_end(_year_of(found, today, month, 31), month)


_RULES: Final[tuple[tuple[str, Callable[[re.Match[str], date], date]], ...]] = (
    (r"(?P<year>20\d\d)-(?P<m>\d\d)-(?P<day>\d\d)", _dotted),
    (rf"{_END}{_OF}\s{_MONTH}{_YEAR}", _end_of_month),
    (rf"{_MIDDLE}{_OF}[\s-]*{_MONTH}{_YEAR}", _day_in_month(15)),
    (rf"{_BEGIN}{_OF}\s{_MONTH}{_YEAR}", _day_in_month(1)),
    (
        rf"(?:the |le |el |den |der |dem )?(?P<day>\d\d?)(?:st|nd|rd|th|er|\.)?\s+(?:of |de |du )?{_MONTH}{_YEAR}",
        _named_day,
    ),
    (
        rf"(?P<month>{any_of(MONTHS)})\s+(?:the )?(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b(?!\s*(?:km|kg|%|\d)){_YEAR}",
        _named_day,
    ),
    (r"(?P<day>[0-3]?\d)\.(?P<m>[01]?\d)\.(?P<year>20\d\d)?(?!\d)", _dotted),
    (r"(?P<day>[0-3]?\d)/(?P<m>[01]?\d)/(?P<year>20\d\d)", _dotted),
    (rf"{_END}{_OF}\s?{_NEXT}\s{_MON}|{_END}{_OF}\s{_MON}\s{_NEXT}", _end_of_next(1)),
    (
        rf"{_END}{_OF}\s?{_NEXT}\s{_YR}|{_END}{_OF}\s?(?:l')?{_YR}\s{_NEXT}",
        lambda _, today: date(today.year + 1, 12, 31),
    ),
    (rf"{_END}{_OF}\s?{_NEXT}\s{_WEEK}|{_END}{_OF}\s{_WEEK}\s{_NEXT}", lambda _, today: _sunday(today) + timedelta(7)),
    (rf"{_END}{_OF}\s{_MON}\b|monatsende", _end_of_next(0)),
    (
        rf"{_END}{_OF}\s(?:[ld]')?{_YR}\b|fin d'annee|jahresende|year's end|year end",
        lambda _, today: date(today.year, 12, 31),
    ),
    (
        rf"{_END}{_OF}\s{_WEEK}\b|the weekend|wochenende|(?:le|ce) week-?end|(?:el|este) finde",
        lambda _, today: _sunday(today),
    ),
    (r"(?:end of )?q(?P<quarter>[1-4])(?:\s+(?P<year>20\d\d))?\b", _quarter),
    (
        (
            rf"(?:in|within|dans|en|dentro de|d'ici|innerhalb von|binnen|over|fra|tra|em)\s+(?:the next |a )?"
            rf"(?P<n>\d{{1,3}}|{any_of(NUMBERS)})\s+(?:of )?(?P<unit>{any_of(UNITS)})\b"
        ),
        _after,
    ),
    (rf"{_NEXT}\s{_WEEK}\b|la semaine prochaine|la semana que viene", lambda _, today: today + timedelta(7)),
    (rf"{_NEXT}\s{_MON}\b|le mois prochain|el mes que viene", _end_of_next(1)),
    (rf"{_NEXT}\s{_YR}\b|l'an(?:nee)? prochaine?|el ano que viene", lambda _, today: date(today.year + 1, 12, 31)),
    (rf"(?:{_UNTIL}\s+)?(?:{_NEXT}\s+)?(?:le |el |este |den )?(?P<weekday>{any_of(WEEKDAYS)})\b", _weekday),
    (r"day after tomorrow|ubermorgen|apres-demain|pasado manana", lambda _, today: today + timedelta(2)),
    (
        r"tomorrow|(?:bis|fur|am) morgen|morgen fertig|demain|para manana|domani|amanha",
        lambda _, today: today + timedelta(1),
    ),
    (r"by today|tonight|bis heute|ce soir|d'ici ce soir|para hoy", lambda _, today: today),
    (rf"{_UNTIL}\s+(?:christmas|weihnachten|noel|navidad|natale|natal)", lambda _, today: date(today.year, 12, 25)),
    (rf"{_BEFORE}\s+{_MONTH}{_YEAR}", _day_before_month),
    (rf"{_UNTIL}\s+{_MONTH}{_YEAR}", _end_of_month),
)
_COMPILED: Final = tuple((re.compile(rf"(?<!\w)(?:{pattern})"), then) for pattern, then in _RULES)
_REPEATS: Final = re.compile(r"\b(?:every|each|all|jeden|jede|jeder|chaque|tous les|cada|todos los)\s+(?:\w+\s+)?$")
_OFTEN: Final = re.compile(
    r"\b(?:every|each|daily|weekly|jede\w*|taglich|chaque|tous|toutes|cada|todos|todas|a day|a week|pro)\b"
)
_FREQUENCY: Final = re.compile(
    r",?\s+(?:(?:every|each|jede[nrs]?|chaque|cada|tous les|toutes les|todos los|todas las)\s+\w+(?:\s+(?:morning|evening|night))?|"
    r"daily|weekly|taglich|wochentlich|(?:\w+\s+(?:times|mal|fois|veces)|once|twice|\w+mal|una vez|une fois)\s+"
    rf"(?:an?|per|pro|par|por|die|in der|im|al|a la)\s+{any_of(UNITS)}|(?:an?|per|pro|par|por|al|a la)\s+{any_of(UNITS)})\b"
)
_LEADS: Final = re.compile(rf"\s+(?:{_UNTIL}|the|a|zum|le|la|el|jusqu'a|d'ici|spatestens)\s*$")
_DEADLINE: Final = re.compile(
    r"\b(?:by|until|till|before|bis|spatestens|d'ici|avant|jusqu'a|hasta|antes de)\s+(?P<words>[^.,;:!?]{3,40})"
)
_LEADING: Final = re.compile(rf"^(?:{_UNTIL}|the|le|el|den|dem|zum|spatestens)\s+")


class Found(NamedTuple):
    """A day and where it stands in the text as `plain` gives it."""

    day: date
    start: int
    end: int


def plain(text: str) -> str:
    """Without case, accents and typographic apostrophes."""
    parts = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))  # noqa: RUF001 - the keyboard's mark
    return "".join(mark for mark in parts if not unicodedata.combining(mark))


def find(text: str, today: date) -> Found | None:
    """The first rule that finds a day in a sentence; days that do not exist are not found."""
    said = plain(text)
    for pattern, then in _COMPILED:
        found = pattern.search(said)
        if found is None or _REPEATS.search(said[: found.start()]):
            continue
        try:
            return Found(then(found, today), found.start(), found.end())
        except (ValueError, OverflowError):
            continue
    return None


def is_said(words: str, text: str) -> bool:
    """Whether a text has these words, and they do not say how often."""
    mine, said = plain(words), plain(text)
    return bool(mine) and mine in said and not _OFTEN.search(mine) and not _REPEATS.search(said[: said.find(mine)])


def without_day(text: str, today: date) -> str:
    """The text without the day that is found in it, and without the little words that lead to it."""
    found = find(text, today)
    said = plain(text)
    if found is None or len(said) != len(text):
        return text
    start = found.start
    while lead := _LEADS.search(said[:start]):
        start = lead.start()
    return f"{text[:start].rstrip(' ,-')} {text[found.end :].strip(' ,')}".strip() or text


def with_frequency(title: str, text: str) -> str:
    """The title, and how often, where that is said right behind it."""
    mine, said = plain(title), plain(text)
    start = said.find(mine)
    if start < 0 or len(said) != len(text):
        return title
    often = _FREQUENCY.match(said, start + len(mine))
    return text[start : often.end()] if often else title


def parse(words: str, today: date) -> date | None:
    """The day that these few words name, by our rules or else by dateparser, if it is installed."""
    if found := find(words, today):
        return found.day
    return _by_library(words, today)


def read_deadline(said: str, today: date) -> date | None:
    """The day behind a word for until, where no rule of ours knows it: "by six months from now"."""
    lead = _DEADLINE.search(plain(said))
    if lead is None or _OFTEN.search(lead["words"]):
        return None
    return _by_library(lead["words"], today)


def _by_library(words: str, today: date) -> date | None:
    try:
        import dateparser  # noqa: PLC0415 - half a second, and part of [local] only
    except ImportError:
        return None
    rest = _LEADING.sub("", plain(words)).strip()
    settings = {"PREFER_DATES_FROM": "future", "RELATIVE_BASE": datetime.combine(today, time(12))}
    if not any(mark.isalpha() or mark in "./-" for mark in rest) or len(rest) > 60:
        return None
    read = dateparser.parse(rest, languages=LANGUAGES, settings=settings)
    return None if read is None else read.date()
