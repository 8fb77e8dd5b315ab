"""Moderation as OpenAI's endpoint answers it: rules in several languages, and likeness in meaning where there is a model."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from scripts.embedded.ai.dates import plain
from scripts.embedded.ai.embeddings import Embedder

CATEGORIES: Final = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
_WORDS: Final = {
    "self-harm/intent": r"(?:kill|hang|shoot|hurt|cut) myself|end (?:my|it) (?:life|all)|want to die|(?:not|don't) want to (?:live|be alive)|suicid\w*|mich umbringen|bring\w* mich um|"
    r"nicht mehr leben|selbstmord\w*|will sterben|me tuer|me suicider|envie de mourir|en finir avec la vie|matarme|suicidarme|quiero morir|quitarme la vida",
    "harassment/threatening": r"(?:i will|i'll|i'm going to|gonna) (?:kill|hurt|find|beat) (?:you|him|her|them)|ich (?:bring|schlag|stech)\w* dich (?:um|tot|ab)|"
    r"je vais te (?:tuer|frapper)|te voy a (?:matar|pegar)|voy a matarte",
    "harassment": r"you(?:'re| are) (?:worthless|pathetic|an idiot|a loser|stupid|trash)|(?:dumme|blode)[rs]? (?:kuh|sau|idiot)|halt die fresse|du bist (?:wertlos|nichts wert|ein idiot)|"
    r"ferme ta gueule|espece d[e'] ?(?:con|idiot|imbecile)|eres (?:un |una )?(?:inutil|idiota|estupid[oa]|basura)",
    "hate": r"(?:all|those) (?:\w+ )?(?:jews|muslims|immigrants|gays|blacks|foreigners) (?:should|must|are (?:vermin|animals|subhuman))|auslander raus|"
    r"(?:alle )?(?:juden|muslime|auslander) (?:gehoren|mussen weg|sind (?:dreck|ungeziefer))|mort aux \w+|muerte a los \w+",
    "illicit/violent": r"(?:build|make) a (?:pipe )?bomb|bombe (?:bauen|fabriquer)|fabriquer une bombe|(?:hacer|fabricar) una bomba",
    "illicit": r"(?:cook|make) meth|launder money|steal a car|fake id|geld waschen|blanchir de l'argent|lavar dinero",
    "sexual/minors": r"(?:sex\w*|nude\w*|nackt\w*|porn\w*)\W+(?:\w+\W+){0,4}(?:child|children|minor|kind|kinder|enfants?|nino|ninos|nina)|"
    r"(?:child|kinder|infantil|enfant)\W*porno?\w*",
    "sexual": r"porn\w*|send (?:me )?nudes|blowjob|ficken|baiser avec toi|follar\w*",
    "violence/graphic": r"(?:cut|chopped|ripped) (?:off )?(?:his|her|their) (?:head|throat|guts)|blood everywhere|kopf abgeschnitten|egorge\w*|decapit\w*",
}  # fmt: skip
_RULES: Final = {category: re.compile(rf"\b(?:{words})\b") for category, words in _WORDS.items()}
_ALIKE: Final[Mapping[str, tuple[str, ...]]] = {
    "self-harm/intent": (
        "I want to kill myself",
        "I don't want to be alive any more",
        "Everyone would be better off without me",
    ),
    "harassment/threatening": ("I will hurt you badly", "I am going to kill you"),
    "hate": ("People of that religion are vermin and should be driven out",),
    "illicit/violent": ("How do I build a bomb to hurt people",),
}
FLAGGED_FROM: Final = 0.62
"""Cosine of MiniLM; a first estimate, not yet measured on a set."""
RULE_SCORE: Final = 0.95
_PARENT: Final = {name: name.partition("/")[0] for name in CATEGORIES if "/" in name}


class Moderation:
    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    async def results(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """One result per text, in order, each with every category."""
        alike = await self._alike(texts) if self._embedder else [{} for _ in texts]
        return [_result({**near, **_by_rules(text)}) for text, near in zip(texts, alike, strict=True)]

    async def _alike(self, texts: Sequence[str]) -> list[dict[str, float]]:
        if self._embedder is None:
            return []
        anchors = [(category, sentence) for category, sentences in _ALIKE.items() for sentence in sentences]
        vectors = await self._embedder.embed([*texts, *(sentence for _, sentence in anchors)])
        scores: list[dict[str, float]] = []
        for vector in vectors[: len(texts)]:
            near: dict[str, float] = {}
            for (category, _), anchor in zip(anchors, vectors[len(texts) :], strict=True):
                cosine = sum(a * b for a, b in zip(vector, anchor, strict=True))
                near[category] = max(near.get(category, 0.0), cosine)
            scores.append(near)
        return scores


def _by_rules(text: str) -> dict[str, float]:
    words = plain(text)
    return {category: RULE_SCORE for category, rule in _RULES.items() if rule.search(words)}


def _result(found: Mapping[str, float]) -> dict[str, Any]:
    scores = {category: max(0.0, found.get(category, 0.0)) for category in CATEGORIES}
    for category, parent in _PARENT.items():
        if parent in scores and scores[category] >= FLAGGED_FROM:
            scores[parent] = max(scores[parent], scores[category])
    flagged = {category: score >= FLAGGED_FROM for category, score in scores.items()}
    return {"flagged": any(flagged.values()), "categories": flagged, "category_scores": scores}
