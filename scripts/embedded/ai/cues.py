"""Whether a person's own words ask for a tool at all, and for which: no model is asked about what nobody said."""

import re
from typing import Final

from scripts.embedded.ai.dates import plain

_QUOTED: Final = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|‘[^’]*’|(?<!\w)'[^']*'(?!\w)|```.*?```", re.DOTALL)  # noqa: RUF001 - the quotes people's keyboards write
_WORDS: Final = {
    "create_goal": r"add|create|set (?:\w+ ){0,3}up|set (?:me )?(?:a|another|my) goal|new goal|note (?:down|that)|write (?:it |that |this )?down|"
    r"put .{1,60} (?:on|in|to) my|track|save|goal (?:is|for|to|of|:)|my goal|make (?:it|that|this|me) (?:a|my) goal|make a goal|i want to|i'd like to|"
    r"i (?:will|plan to|aim to|need to)|decided to|put (?:it|this|that) (?:in|down|on)|anlegen|leg\w*|erstell\w*|trag\w*|ziel (?:ist|fur|:)|neues ziel|als ziel|mein ziel|"
    r"notier\w*|schreib\w* .{0,60}auf|setz\w*|ich (?:will|mochte|wurde gern)|eintrag\w*|nehm\w* mir vor|vorgenommen|beschlossen|j'ai decide|he decidido|ajout\w*|cree\w*|creer|mets|note|objectif|enregistre\w*|je (?:veux|voudrais|souhaite)|"
    r"anad\w+|agreg\w+|crea\w*|apunt\w+|anot\w+|guard\w*|pon\w*|objetivo|meta|quiero|quisiera|me gustaria|registra\w*",
    "record_progress": r"\d[\d.,]*|half|third|quarter|more|another|" + r"hal[bf]\w*|halfte|viertel|drittel|weitere\w*|moitie|tiers|quart|mitad|tercio|cuart\w+|"
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|zwei|drei|vier|funf|sechs|sieben|acht|neun|zehn|"
    r"deux|trois|quatre|cinq|sept|huit|neuf|dix|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez)",
    "complete_goal": r"done|finish\w*|complet\w+|achiev\w+|made it|did it|reached|tick|close|mark|passed|accomplish\w*|over with|"
    r"fertig|geschafft|erledigt|abgeschlossen|abschliess\w*|erreicht|beendet|abhak\w*|hak\w*|bestanden|schliess\w*|termin\w+|fini\w*|"
    r"atteint|reussi\w*|acheve\w*|boucle\w*|(?:c'est|est) faite?|clotur\w*|accompli\w*|coche\w*|cross(?:ed)? off|check(?:ed)? off|acab\w+|logr\w+|complet\w+|consegu\w+|hech[oa]|cierr\w+|cumpl\w+",
    "change_goal": r"chang\w*|rename\w*|mov\w+|postpon\w*|push\w*|shift|delay|extend|reschedul\w*|updat\w*|make it|instead|rather|"
    r"earlier|later|deadline|adjust|rais\w+|lower|increase|reduce|call (?:it|my|this|that|the)|ander\w*|verschieb\w*|verleg\w*|umbenenn\w*|"
    r"benenn\w*|nenn\w*|stattdessen|statt|spater|verlanger\w*|erhoh\w*|setz\w*|repouss\w*|report\w+|renomm\w*|modifi\w+|decal\w+|deplac\w+|plutot|"
    r"augment\w+|appelle|cambi\w*|renombr\w*|aplaz\w*|pospon\w*|mueve|mover|modific\w*|retras\w*|posterg\w*|sube|llama\w*|en vez",
    "remove_goal": r"delet\w*|remov\w*|drop|get rid of|throw (?:\w+ ){0,4}(?:away|out)|eras\w*|scrap|discard|take (?:\w+ ){0,4}off|forget (?:about )?(?:my|the) .{0,40}goal|"
    r"losch\w*|entfern\w*|streich\w*|verwirf|weg(?:werfen|machen)?|wirf|supprim\w*|efface\w*|enlev\w*|retir\w*|"
    r"borr\w*|elimin\w*|quit\w*|suprim\w*|descart\w*",
    "list_goals": r"(?:list|show|what|which|read|see|tell)\b.{0,40}\b(?:goals|aims|targets)|how many goals|"
    r"(?:zeig\w*|welche|was|list\w*|nenn\w*).{0,40}\bziele|(?:montre\w*|quels?|liste\w*|affiche\w*|voir).{0,40}\bobjectifs|"
    r"(?:muestr\w+|cuales|que|lista\w*|ensen\w+|ver|dime).{0,40}\b(?:objetivos|metas)",
    "find_history": r"(?:what|when|did) (?:\w+ ){0,2}(?:i|we) (?:\w+ ){0,2}(?:say|said|tell|told|talk|talked|mention|mentioned|discuss)|do you remember|remember when|"
    r"erinnerst du|(?:was|wann) (?:habe?n? )?(?:ich|wir) .{0,40}(?:gesagt|erzahlt|gesprochen)|te souviens|(?:ai-je|avons-nous) (?:dit|parle)|"
    r"te acuerdas|recuerdas|(?:dije|hablamos|conte)",
    "move_goal": r"(?:part of|under|below|sub-?goal|belongs? to|into|teil von|unter|gehort|partie de|sous|parte de|dentro de|debajo)",
}  # fmt: skip
CUES: Final = {name: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.DOTALL) for name, words in _WORDS.items()}
READING: Final = frozenset({"list_goals", "find_history"})
_NOT: Final = re.compile(
    r"\b(?:don'?t|do not|never|not (?:yet|to)|haven'?t|have not|isn'?t|won'?t|didn'?t|nicht|niemals|ne|n'\w+|pas|nunca|jamais|todavia no|aun no)\b|^no\s|\bno (?:lo |la |me )?(?:borr|elimin|quit|cambi|he |quiero)"
)
_CLOSES: Final = re.compile(
    r"\b(?:(?:tick|cross|check)(?:ed)? (?:\w+ ){0,4}off|close (?:it|this|that|the)|mark (?:\w+ ){0,6}(?:as )?(?:done|finished|complete\w*)|"
    r"hak\w* .{0,30}ab|abhak\w*|abgehakt|clotur\w*|coche\w*|cierr\w+|marca\w* .{0,40}(?:hech[oa]|complet\w+|terminad[oa]))\b"
)
_ASKING: Final = re.compile(
    r"^(?:\w+,\s*)?(?:should|would|how|why|what (?:if|does|would|happens)|when|is it|was it|do you think|soll\w*|wie|warum|wieso|was (?:passiert|bedeutet)|"
    r"comment|pourquoi|dois-je|devrais|est-ce qu|que se passe|faut-il|como|por que|deberia|debo|que pasa)\b"
)

_REQUEST: Final = re.compile(
    r"\b(?:(?:can|could|would|will) you|please|kannst du|konntest du|bitte|peux|pourrais|pourriez|s'il te plait|puedes|podrias|por favor)\b"
)
_OTHERS: Final = re.compile(
    r"^(?:my|mein\w*|mon|ma|mes|mis?|our|unser\w*|notre|nos|nuestr[oa]s?) (?:\w+ )?(?:brother|sister|mother|father|mum|mom|dad|son|daughter|wife|"
    r"husband|partner|girlfriend|boyfriend|friend|neighbou?r|colleague|boss|bruder|schwester|mutter|vater|sohn|tochter|frau|mann|"
    r"freund\w*|nachbar\w*|kolleg\w*|chef\w*|frere|soeur|mere|pere|fils|fille|femme|mari|ami\w*|voisin\w*|collegue|"
    r"herman[oa]|madre|padre|hij[oa]|mujer|marido|espos[oa]|amig[oa]|vecin[oa]|companer[oa]|jef[ea])s?\b"
)
_NO_LONGER: Final = re.compile(r"\b(?:not (?=\w+ (?:\w+ )*any ?more\b)|nicht mehr|ya no|(?:ne |n')\w+ plus)\b")
"""Who does not want a goal any more says so with a "not" that forbids nothing."""
_ORDERS: Final = re.compile(
    r"\b(?:add|create|set (?:\w+ ){0,3}up|(?:track|note) (?:this|that|it)|write (?:it|this|that) down|put (?:it|this|that) (?:in|down|on)|"
    r"(?:new|next|another) goal|make (?:it|this|that) (?:a|my) goal|leg\w* .{1,60} an|anlegen|erstell\w*|trag\w* .{0,60}ein|eintrag\w*|"
    r"notier\w*|schreib\w* .{0,60}auf|(?:neues|nachstes) ziel|ajout\w*|cree\w*|creer|note|enregistre\w*|(?:nouvel|prochain) objectif|"
    r"anad\w+|agreg\w+|crea\w*|apunt\w+|anot\w+|guard\w*|registra\w*|(?:nueva|proxima) meta|(?:nuevo|proximo) objetivo)\b",
    re.DOTALL,
)
TELLING: Final = frozenset({"record_progress", "complete_goal"})


def own_words(text: str) -> str:
    """Without what stands in quotes: who quotes an order has not given it."""
    return _QUOTED.sub(" ", text)


def closes(text: str) -> bool:
    """Whether a goal is asked to be closed in so many words, so that a number beside it is no progress."""
    return _CLOSES.search(plain(own_words(text))) is not None


def is_of_others(text: str) -> bool:
    """Whether it tells of somebody else: a sister's kilometres are nobody's progress here."""
    return _OTHERS.search(plain(own_words(text)).strip()) is not None


def says_all(text: str) -> bool:
    return re.search(r"\b(?:all|alle[nrs]?|tou(?:s|tes)|tod[oa]s)\b", plain(own_words(text))) is not None


def orders_goal(text: str) -> bool:
    """Whether a goal is asked for in so many words, and not only wished for."""
    return _ORDERS.search(plain(own_words(text))) is not None


def asks_kindly(text: str) -> bool:
    """Whether something is asked for, in whatever words: "please", "can you"."""
    return _REQUEST.search(plain(own_words(text))) is not None


def is_barred(text: str) -> bool:
    """Whether it is a question about something, or a "don't": such words ask for nothing that changes anything."""
    words = plain(own_words(text)).strip()
    return bool(_ASKING.search(words) or _NOT.search(_NO_LONGER.sub(" ", words)))


def asked_for(text: str) -> frozenset[str]:
    """The tools a person's own words can mean.

    What has happened is told, not asked, and by who did it: "is 2000 euros a lot?" is no progress, nor is a sister's.
    """
    words = plain(own_words(text)).strip()
    meant = frozenset(name for name, cue in CUES.items() if cue.search(words))
    if is_barred(text):
        meant &= READING
    if is_of_others(text) or (words.endswith("?") and not _REQUEST.search(words)):
        meant -= TELLING
    return meant
