"""What a person's newest turn says, and the goals the program knows beside it: which of them is meant."""

import difflib
import re
from datetime import date
from typing import Any, Final, NamedTuple

from scripts.embedded.ai import amounts, dates
from scripts.embedded.ai.cues import own_words
from scripts.embedded.ai.known import read_object, split

MAX_GOALS: Final = 20
NAMED: Final = 0.5
"""From this share of a title's words on, a goal is named."""
_STOP: Final = frozenset(
    [
        "the",
        "and",
        "for",
        "all",
        "any",
        "one",
        "two",
        "now",
        "not",
        "you",
        "der",
        "die",
        "das",
        "und",
        "ein",
        "mit",
        "les",
        "des",
        "une",
        "dan",
        "los",
        "las",
        "una",
        "con",
        "por",
        "que",
    ]
)
_ANY_GOAL: Final = re.compile(r"goals?|ziele?n?|ziels|objectifs?|objetivos?|metas?")
"""Names no goal in particular."""


class KnownGoal(NamedTuple):
    id: str
    title: str
    unit: str
    """Empty for a goal that is not measured."""

    @property
    def measured(self) -> bool:
        return bool(self.unit)


class Asked(NamedTuple):
    """`goals` are in the order in which they were made, so that a list that is told again begins as it did."""

    said: str
    today: date
    goals: tuple[KnownGoal, ...]

    @property
    def day(self) -> date | None:
        """The day that the person named; never one that is past."""
        found = dates.find(self.said, self.today)
        day = found.day if found else dates.read_deadline(self.said, self.today)
        return day if day and day >= self.today else None

    def goal(self, number: Any, *, lexical: bool = True) -> KnownGoal | None:
        """The goal whose title the words name best, or alone; where they name none, the one the model chose."""
        scores = [_likeness(_words(goal.title), self.said) for goal in self.goals]
        best = max(scores, default=0.0)
        if lexical and best >= NAMED and scores.count(best) == 1:
            return self.goals[scores.index(best)]
        if lexical and len(named := self.named()) == 1:
            return named[0]
        if isinstance(number, int) and 1 <= number <= len(self.goals[:MAX_GOALS]):
            return self.goals[number - 1]
        return None

    def named(self) -> list[KnownGoal]:
        """The goals a word of which is said; a number alone names none."""
        return [
            goal
            for goal in self.goals
            if _likeness([word for word in _words(goal.title) if not word.isdigit()], self.said)
        ]

    def counted(self) -> KnownGoal | None:
        """The only goal that is counted in what the sentence counts, or else in what it speaks of."""
        by_number = self.counted_by_number()
        if by_number is not None:
            return by_number
        said = _stems(own_words(self.said))
        counted = [goal for goal in self.goals if _stems(goal.unit) & said]
        return counted[0] if len(counted) == 1 else None

    def counted_by_number(self) -> KnownGoal | None:
        """The only goal in whose unit the number is that is said."""
        unit = (amounts.number(own_words(self.said)) or amounts.Said(0, "")).unit
        counted = [goal for goal in self.goals if goal.unit and _is_same(goal.unit, unit)]
        return counted[0] if len(counted) == 1 else None

    def reached(self) -> bool:
        """Whether the number that is said is the one the named goal is about: all 12 of its 12 books."""
        said, goal = amounts.number(own_words(self.said)), self.counted_by_number() or self.goal(None)
        aim = amounts.number(goal.title) if goal else None
        return said is not None and aim is not None and said.value == aim.value

    def about_goals(self) -> bool:
        """Whether a share is told of, or a word of any goal is said: a number alone is no progress."""
        said = own_words(self.said)
        if amounts.percent(said) is not None or self.counted_by_number() is not None:
            return True
        return any(_stems(said) & _stems(f"{goal.title} {goal.unit}") for goal in self.goals)


def asked_in(text: str, today: date) -> Asked:
    """A user turn as LifeBuddy writes it: `<known>`, lines of JSON, `</known>`, then what the person said."""
    _, block, said = split(text)
    goals = []
    for told in map(read_object, block.splitlines()):
        if isinstance(told.get("today"), str):
            today = _iso(told["today"]) or today
        if isinstance(told.get("id"), str) and isinstance(told.get("title"), str):
            goals.append(KnownGoal(told["id"], told["title"], _unit(told.get("metric"))))
    return Asked(said, today, tuple(sorted(goals)))


def _words(title: str) -> list[str]:
    """Its longer words and its numbers."""
    words = [word for word in re.findall(r"\w+", dates.plain(title)) if len(word) > 3 or word.isdigit()]
    return [word for word in words if not _ANY_GOAL.fullmatch(word)]


def _likeness(words: list[str], said: str) -> float:
    """The share of these words that are said, a changed ending forgiven."""
    theirs = [word for word in re.findall(r"\w+", dates.plain(said)) if len(word) > 2 or word.isdigit()]
    hits = sum(bool(difflib.get_close_matches(word, theirs, n=1, cutoff=0.75)) for word in words)
    return hits / len(words) if words else 0.0


def _stems(text: str) -> set[str]:
    return {word[:3] for word in re.findall(r"[^\W\d_]{3,}", dates.plain(text))} - _STOP


def _is_same(unit: str, other: str) -> bool:
    return dates.plain(unit) == dates.plain(other) or bool(_stems(unit) & _stems(other))


def _unit(metric: Any) -> str:
    unit = metric.get("unit") if isinstance(metric, dict) else None
    return unit if isinstance(unit, str) else ""


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
