"""What a person wishes for, cut out of their sentence: "Apunta que quiero terminar mi tesis antes de julio"."""

import re
from datetime import date
from typing import Final

from scripts.embedded.ai.dates import plain, without_day

MAX_WORDS: Final = 12
_ENDS: Final = re.compile(r"[.,;:!?¡¿](?=\s|$)|\n")
_LEAD: Final = re.compile(
    r"^.*\b(?:(?:want|like|plan|intend|need|going|decided|have|set out) to|i will|goals?(?: for me)?(?: is)?(?: to| of)?|add|create|remember|track|let's make|"
    r"ich will|will ich|mochte(?: ich)?|wurde (?:ich )?gern|nehme mir vor|vorgenommen|ziel(?: ist)?|"
    r"veux|voudrais|aimerais|souhaite|decide (?:de|d')|objectif(?: est)?(?: de| d')?|ajoute\w*|cree\w*|note|"
    r"quiero|quisiera|me gustaria|he decidido|metas?(?: es)?(?: de)?|objetivos?(?: es)?(?: de)?|anad\w+|agreg\w+|apunt\w+(?: que)?|crea\w*)\s+"
)
_TAIL: Final = re.compile(
    r"\s+(?:please|bitte|por favor|s'il te plait|(?:as )?(?:a|my|another) goal|als (?:neues )?ziel|comme (?:nouvel )?objectif|como (?:nueva )?meta|"
    r"(?:to|on) my (?:list|goals)|a mis (?:metas|objetivos)|a mes objectifs|zu meinen zielen|(?:leg\w*|trag\w*) .*)\s*$"
)


def wished(near: str, said: str, today: date) -> str | None:
    """The clause that shares a word with `near`, or else one that wishes; without the wish and the day. None if it is unclear."""
    clauses = [without_day(clause.strip(), today) for clause in _ENDS.split(said) if clause.strip()]
    words = {word[:4] for word in re.findall(r"\w{4,}", plain(near))}
    shares = [clause for clause in clauses if words & {word[:4] for word in re.findall(r"\w{4,}", plain(clause))}]
    for clause in shares or [clause for clause in clauses if _LEAD.match(plain(clause))]:
        if len(plain(clause)) != len(clause):
            continue
        lead, tail = _LEAD.match(plain(clause)), _TAIL.search(plain(clause))
        rest = clause[lead.end() if lead else 0 : tail.start() if tail else None].strip()
        if 1 < len(rest.split()) <= MAX_WORDS:
            return rest
    return None
