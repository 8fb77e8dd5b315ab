"""The offline coach: what can be said from the user's own goals when no language model is connected."""

import unicodedata
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from actors.domain.goals import Goal

SOON = timedelta(days=7)
_NO_MODEL: Final = "No language model is connected right now, so I answer from your goals alone."
_WHY: Final = {
    "model.declined": _NO_MODEL,
    "model.failed": _NO_MODEL,
    "model.loading": "My language model is still on its way, so for now I answer from your goals alone.",
    "model.limited": "My language model is asked too much right now, so I answer from your goals alone.",
    "budget": "You have used up today's share of the language model, so until tomorrow I answer from your goals alone.",
}
_OUT_OF_REACH: Final = "My language model can't be reached right now, so I answer from your goals alone."
_TITLE = 48
_NAME = 30


def answer(name: str, said: str, goals: Mapping[str, Goal], today: date, problem: str | None = None) -> str:
    """A greeting, where the goals stand, what is due, what moved last, and one small next step.

    The same goals, words and day give the same answer. It says what it is and why it answers (`problem`: the code of
    what kept a model from it), and claims to have understood nothing but the name of a goal.
    """
    why = _NO_MODEL if problem is None else _WHY.get(problem, _OUT_OF_REACH)
    plain = f"Hello {_short(name, _NAME)}. {why}"
    still_open = [goal for goal in goals.values() if goal.status == "open"]
    if not still_open:
        return f"{plain} {_nothing_open(goals)}"
    leaves = [goal for goal in still_open if goal.source != "children"] or still_open
    meant = _meant(said, still_open)
    next_one = _next(meant, leaves, goals)
    sentences = [
        _standing(meant) if meant else _overview(still_open),
        _due(leaves, today),
        "" if meant else _moved(still_open),
        _step(next_one),
    ]
    return " ".join([plain, *(sentence for sentence in sentences if sentence)])


def _nothing_open(goals: Mapping[str, Goal]) -> str:
    done = sum(goal.status == "done" for goal in goals.values())
    so_far = f"You have finished {_count(done, 'goal')} and have none open." if done else "You have no goals yet."
    return f"{so_far} One small next step: add one thing you would like to be true in a month, in your own words."


def _overview(still_open: list[Goal]) -> str:
    top = [goal for goal in still_open if goal.parent_id is None] or still_open
    top.sort(key=lambda goal: (-goal.progress, goal.created_at, goal.id))
    named = ", ".join(_with_progress(goal) for goal in top[:2])
    more = f" and {len(top) - 2} more" if len(top) > 2 else ""
    return f"Open: {named}{more}."


def _standing(goal: Goal) -> str:
    metric = goal.metric
    if metric is not None and goal.source == "metric":
        current = metric.start if metric.current is None else metric.current
        unit = _short(metric.unit, 20)
        return f"{_title(goal)} stands at {current:g} of {metric.target:g} {unit} ({_percent(goal)})."
    return f"{_title(goal)} stands at {_percent(goal)}."


def _due(still_open: list[Goal], today: date) -> str:
    dated = sorted((goal.due, goal.id, goal) for goal in still_open if goal.due and goal.due <= today + SOON)
    if not dated:
        return ""
    day, _, goal = dated[0]
    others = f", and {len(dated) - 1} more soon" if len(dated) > 1 else ""
    return f"{_title(goal)} {_when(day, today)}{others}."


def _when(day: date, today: date) -> str:
    days = (day - today).days
    if days < 0:
        return f"was due {_count(-days, 'day')} ago"
    return {0: "is due today", 1: "is due tomorrow"}.get(days, f"is due in {days} days")


def _moved(still_open: list[Goal]) -> str:
    begun = [goal for goal in still_open if goal.progress > 0 and goal.updated_at > goal.created_at]
    if not begun:
        return ""
    return f"{_title(max(begun, key=lambda goal: (goal.updated_at, goal.id)))} moved last."


def _next(meant: Goal | None, leaves: list[Goal], goals: Mapping[str, Goal]) -> Goal:
    """The part to go on with: of the goal that was meant, or of all; what is due first, then what is furthest."""
    within = [leaf for leaf in leaves if meant is None or _is_within(leaf, meant, goals)]
    return min(within or leaves, key=lambda goal: (goal.due or date.max, -goal.progress, goal.created_at, goal.id))


def _is_within(goal: Goal, above: Goal, goals: Mapping[str, Goal]) -> bool:
    while goal.id != above.id:
        if goal.parent_id is None:
            return False
        goal = goals[goal.parent_id]
    return True


def _step(goal: Goal) -> str:
    do = "take ten minutes to begin" if goal.progress == 0 else "give ten more minutes to"
    return f"One small next step: {do} {_title(goal)}, then record how far you came."


def _meant(said: str, still_open: list[Goal]) -> Goal | None:
    """The one goal whose title was said; of several, the longest title."""
    words = f" {_words(said)} "
    named = [goal for goal in still_open if (title := _words(goal.title)) and f" {title} " in words]
    return max(named, key=lambda goal: (len(goal.title), goal.id), default=None)


def _words(text: str) -> str:
    """The letters, marks and digits of a text, one space between its words."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in folded).split())


def _with_progress(goal: Goal) -> str:
    return f"{_title(goal)} ({_percent(goal)})"


def _percent(goal: Goal) -> str:
    return f"{goal.progress:.0f} %"


def _title(goal: Goal) -> str:
    return f"“{_short(goal.title, _TITLE)}”"


def _short(text: str, length: int) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= length else f"{one_line[: length - 1].rstrip()}…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
