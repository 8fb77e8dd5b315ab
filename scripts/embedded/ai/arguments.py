"""A call's arguments from the little a model writes: titles in the person's own words, days and numbers as they said them."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from scripts.embedded.ai import amounts, clauses, dates
from scripts.embedded.ai.asked import Asked
from scripts.embedded.ai.cues import own_words

Written = Mapping[str, Any]
GOALS: Final = frozenset({"goal", "parent"})
"""Arguments that name one of the listed goals: the model writes its number."""


def build(name: str, written: Written, asked: Asked) -> dict[str, Any] | None:
    """For a tool in FORMS; None where what was written or said is not enough."""
    return _BUILD[name](written, asked)


def by_schema(
    properties: Mapping[str, Mapping[str, Any]], fields: Iterable[str], written: Written, asked: Asked
) -> dict[str, Any]:
    """For a tool known only by its schema: words become the days and numbers that the schema asks for."""
    made = {}
    for field in fields:
        value = _typed(properties[field], written.get(field), asked)
        if field in GOALS:
            goal = asked.goal(written.get(field))
            value = goal and goal.id
        if value is not None:
            made[field] = value
    return made


def _create(written: Written, asked: Asked) -> dict[str, Any] | None:
    title = _new_title(written.get("title"), asked)
    if title is None:
        return None
    made: dict[str, Any] = {"title": title, **_due(asked)}
    target = amounts.number(title)
    if target and target.unit and target.value > 0 and amounts.percent(title) is None:
        made |= {"unit": target.unit[:40], "target": target.value}
    return made


def _record(written: Written, asked: Asked) -> dict[str, Any] | None:
    goal = asked.counted() or asked.goal(written.get("goal"))
    if goal is None:
        return None
    told = amounts.progress(own_words(asked.said), measured=goal.measured)
    if told is None:
        return None
    kind, value = told
    return {"goal": goal.id, kind: value}


def _only_goal(written: Written, asked: Asked) -> dict[str, Any] | None:
    goal = asked.goal(written.get("goal"))
    return None if goal is None else {"goal": goal.id}


def _change(written: Written, asked: Asked) -> dict[str, Any] | None:
    goal = asked.goal(written.get("goal"))
    if goal is None:
        return None
    changed: dict[str, Any] = dict(_due(asked))
    title = _title(written.get("title"), asked)
    if title is not None and dates.plain(title) != dates.plain(goal.title) and not changed:
        changed["title"] = title
    if not changed and goal.measured and (target := amounts.number(asked.said)):
        changed["target"] = target.value
    return {"goal": goal.id, **changed} if changed else None


def _move(written: Written, asked: Asked) -> dict[str, Any] | None:
    goal, parent = asked.goal(written.get("goal")), asked.goal(written.get("parent"), lexical=False)
    if goal is None or parent is None or goal == parent:
        return None
    return {"goal": goal.id, "parent": parent.id}


_Build = Callable[[Written, Asked], dict[str, Any] | None]
_BUILD: Final[dict[str, _Build]] = {
    "create_goal": _create,
    "record_progress": _record,
    "complete_goal": _only_goal,
    "change_goal": _change,
    "move_goal": _move,
    "remove_goal": _only_goal,
    "list_goals": lambda _written, _asked: {},
    "find_history": lambda written, _asked: {"words": written["words"]} if written.get("words") else None,
}
WORDS: Final = {
    "create_goal": "add",
    "record_progress": "progress",
    "complete_goal": "done",
    "change_goal": "change",
    "move_goal": "move",
    "remove_goal": "remove",
    "list_goals": "list",
    "find_history": "history",
}
"""What a tool is called to the model: one token, and what people mean by it; "record" is to it whatever is written down."""
FORMS: Final = {
    "create_goal": ("title",),
    "record_progress": ("goal",),
    "complete_goal": ("goal",),
    "change_goal": ("goal", "title"),
    "move_goal": ("goal", "parent"),
    "remove_goal": ("goal",),
    "list_goals": (),
    "find_history": ("words",),
}
"""What the model is asked to write, in this order, for the tools known here; for any other, what its schema requires."""


def _due(asked: Asked) -> dict[str, str]:
    return {"due": asked.day.isoformat()} if asked.day else {}


def _new_title(words: Any, asked: Asked) -> str | None:
    """The model's, unless it kept one word of many or took another's: then what stands behind the wish for it."""
    if not isinstance(words, str) or not words.strip():
        return None
    if len(words.split()) > 1 and _grounded(words, asked.said):
        return _title(words, asked)
    return _title(clauses.wished(words, asked.said, asked.today) or words, asked)


def _title(words: Any, asked: Asked) -> str | None:
    """In the person's own words, or not at all; without the day, which stands in `due`."""
    if not isinstance(words, str) or not _grounded(words, asked.said):
        return None
    whole = dates.with_frequency(" ".join(words.split()), " ".join(asked.said.split()))
    title = dates.without_day(whole, asked.today).strip(" .,!;:\"'")[:200]
    return f"{title[:1].upper()}{title[1:]}" or None


def _grounded(words: str, said: str) -> bool:
    mine = re.findall(r"\w+", dates.plain(words))
    theirs = re.findall(r"\w+", dates.plain(said))
    near = sum(any(word[:4] == other[:4] for other in theirs) for word in mine)
    return bool(mine) and near * 2 > len(mine)


def _typed(given: Mapping[str, Any], words: Any, asked: Asked) -> Any:
    if given.get("format") == "date":
        day = dates.parse(words, asked.today) if isinstance(words, str) else None
        return day and day.isoformat()
    if given.get("type") in {"number", "integer"}:
        found = amounts.number(str(words)) if words is not None else None
        return found and (int(found.value) if given["type"] == "integer" else found.value)
    if "enum" in given:
        return words if words in given["enum"] else None
    return words if isinstance(words, str) and words.strip() else None
