"""The words of seven languages that days are named with, without case and accents."""

from collections.abc import Iterable
from typing import Final

_MONTHS: Final = (
    "january jan janvier januar enero ene gennaio janeiro januari",
    "february feb fevrier fevr februar febrero febbraio fevereiro februari",
    "march mar mars marz marzo marco maart",
    "april apr avril abril aprile",
    "may mai mayo maggio maio mei",
    "june jun juin juni junio giugno junho",
    "july jul juillet juli julio luglio julho",
    "august aug aout agosto augustus",
    "september sep sept septembre septiembre settembre setembro",
    "october oct octobre oktober okt octubre ottobre outubro",
    "november nov novembre noviembre novembro",
    "december dec decembre dezember dez diciembre dic dicembre dezembro",
)
_WEEKDAYS: Final = (
    "monday montag lundi lunes lunedi maandag",
    "tuesday dienstag mardi martes martedi dinsdag",
    "wednesday mittwoch mercredi miercoles mercoledi woensdag",
    "thursday donnerstag jeudi jueves giovedi donderdag",
    "friday freitag vendredi viernes venerdi vrijdag",
    "saturday samstag sonnabend samedi sabado sabato zaterdag",
    "sunday sonntag dimanche domingo domenica zondag",
)
_NUMBERS: Final = (
    "zero null cero",
    "a an one ein eine einem einer un une uno una",
    "two zwei deux dos due twee couple",
    "three drei trois tres tre drie",
    "four vier quatre cuatro quattro",
    "five funf cinq cinco cinque vijf",
    "six sechs seis sei zes",
    "seven sieben sept siete sette zeven",
    "eight acht huit ocho otto",
    "nine neun neuf nueve nove negen",
    "ten zehn dix diez dieci tien",
    "eleven elf onze once undici",
    "twelve zwolf douze doce dodici twaalf",
)
_UNITS: Final = {
    "days": "day days tag tage tagen jour jours dia dias giorno giorni",
    "weeks": "week weeks woche wochen semaine semaines semana semanas settimana settimane weken",
    "months": "month months monat monate monaten mois mes meses mese mesi maand maanden",
    "years": "year years jahr jahre jahren an ans annee annees ano anos anno anni jaar",
}
DAYS: Final = {"days": 1, "weeks": 7}


def _table(rows: tuple[str, ...]) -> dict[str, int]:
    return {word: number for number, row in enumerate(rows) for word in row.split()}


MONTHS: Final = {word: number + 1 for word, number in _table(_MONTHS).items()}
WEEKDAYS: Final = _table(_WEEKDAYS)
NUMBERS: Final = _table(_NUMBERS)
UNITS: Final = {word: unit for unit, row in _UNITS.items() for word in row.split()}


def any_of(words: Iterable[str]) -> str:
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"
