"""The tool router without I/O: the short constrained question a small model can answer, and what its answer means."""

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from scripts.embedded.ai import amounts, dates
from scripts.embedded.ai.cues import CUES, asked_for, own_words

NONE: Final = "none"
MAX_GOALS: Final = 20
MAX_SAID: Final = 600
_STOP: Final = frozenset(
    (
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
    )
)
_FIELDS: Final = {
    "create_goal": ("title", "due"),
    "record_progress": ("goal",),
    "complete_goal": ("goal",),
    "change_goal": ("goal", "title", "due"),
    "move_goal": ("goal", "parent"),
    "remove_goal": ("goal",),
    "list_goals": (),
    "find_history": ("words",),
}
"""What the model is asked to write for the tools known here; for any other, what its schema requires."""
_GOALS: Final = frozenset({"goal", "parent"})
"""Arguments that name one of the listed goals: the model writes its number."""
_RULES: Final = """You read one message to a life coach and choose what the person asks to be done. Answer with one JSON object.
none: chat, questions, feelings, advice, or nothing to be written down. Keep titles in the person's own words and language, without the date."""
_EXAMPLES: Final = (
    ("create_goal", "1 Read 12 books", "I want to run 10 km by the end of June, please set that up",
     {"do": "create_goal", "title": "Run 10 km", "due": "by the end of June"}),
    (NONE, "1 Run 10 km", "I feel tired and slept only 5 hours", {"do": NONE}),
    ("record_progress", "1 Run 10 km; 2 Read 12 books", "I have read 3 more books", {"do": "record_progress", "goal": 2}),
    ("create_goal", "", "Leg bitte ein Ziel an: jeden Tag meditieren, bis Ende März",
     {"do": "create_goal", "title": "Jeden Tag meditieren", "due": "bis Ende März"}),
    ("complete_goal", "1 Courir 10 km; 2 Apprendre le piano", "J'ai fini de courir mes 10 km !", {"do": "complete_goal", "goal": 1}),
    ("remove_goal", "1 Ahorrar 500 euros; 2 Correr 10 km", "Borra lo de correr", {"do": "remove_goal", "goal": 2}),
    ("change_goal", "1 Read 12 books; 2 Learn Spanish", "Move my Spanish goal to 1 May", {"do": "change_goal", "goal": 2, "due": "1 May"}),
    ("change_goal", "1 Laufen", "Nenn das Ziel lieber Joggen", {"do": "change_goal", "goal": 1, "title": "Joggen"}),
    ("record_progress", "1 Garten umgraben", "Ich habe die Hälfte vom Garten geschafft", {"do": "record_progress", "goal": 1}),
    ("create_goal", "1 Run 10 km", "Add a goal to save money", {"do": "create_goal", "title": "Save money"}),
    (NONE, "1 Learn Spanish", "How can I learn 20 words a day?", {"do": NONE}),
)  # fmt: skip


class KnownGoal(NamedTuple):
    id: str
    title: str
    unit: str
    """Empty for a goal that is not measured."""

    @property
    def measured(self) -> bool:
        return bool(self.unit)


class Asked(NamedTuple):
    """What the newest turn of the person says, and what the program knows beside it."""

    said: str
    today: date
    goals: tuple[KnownGoal, ...]


class Call(NamedTuple):
    name: str
    arguments: dict[str, Any]


class Router:
    """For one set of tools, as the chat completions API has them."""

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self._tools = {str(tool["function"]["name"]): dict(tool["function"]) for tool in tools if "function" in tool}
        self._unknown = frozenset(self._tools) - frozenset(CUES)

    def offered(self, asked: Asked) -> frozenset[str]:
        """The tools that the person's words can mean; none, and the model need not be asked."""
        meant = asked_for(asked.said) & frozenset(self._tools)
        if not asked.goals:
            meant -= {name for name, fields in _FIELDS.items() if "goal" in fields}
        if not _about_goals(asked):
            meant -= {"record_progress"}
        return meant | {name for name in self._unknown if _mentions(asked.said, name)}

    def prompt(self, asked: Asked) -> list[dict[str, str]]:
        """The constant part first, so that the model keeps it read; only the last message changes."""
        told = [{"role": "system", "content": "\n".join([_RULES, *map(self._line, self._tools)])}]
        for name, goals, said, answer in _EXAMPLES:
            if name == NONE or name in self._tools:
                told.append(_question(goals, said))
                told.append({"role": "assistant", "content": _compact(answer)})
        listed = "; ".join(f"{i} {_one_line(goal.title)}" for i, goal in enumerate(asked.goals[:MAX_GOALS], 1))
        return [*told, _question(listed, asked.said[:MAX_SAID])]

    def schema(self, asked: Asked) -> dict[str, Any]:
        """What may be answered: one of the tools that can be meant, or none."""
        kinds = [self._shape(name, asked) for name in sorted(self.offered(asked))]
        return {"anyOf": [*kinds, _object({"do": {"const": NONE}}, ["do"])]}

    def read(self, answer: str, asked: Asked) -> Call | None:
        """The call that an answer means, mended where it can be; None for none and for garbage."""
        written = _first_object(answer)
        name = written.get("do")
        if not isinstance(name, str) or name not in self.offered(asked):
            return None
        build = _BUILD.get(name)
        arguments = build(written, asked) if build else self._generic(name, written, asked)
        if arguments is None:
            return None
        allowed = self._properties(name)
        fitting = {field: value for field, value in arguments.items() if field in allowed}
        return Call(name, fitting) if self._required(name) <= fitting.keys() else None

    def _line(self, name: str) -> str:
        return f"{name}: {str(self._tools[name].get('description', ''))[:120]}"

    def _properties(self, name: str) -> dict[str, Any]:
        return dict(self._tools[name].get("parameters", {}).get("properties", {}))

    def _required(self, name: str) -> frozenset[str]:
        return frozenset(self._tools[name].get("parameters", {}).get("required", ()))

    def _fields(self, name: str) -> list[str]:
        known = _FIELDS.get(name, tuple(field for field in self._properties(name) if field in self._required(name)))
        return [field for field in known if field in self._properties(name)]

    def _shape(self, name: str, asked: Asked) -> dict[str, Any]:
        properties: dict[str, Any] = {"do": {"const": name}}
        for field in self._fields(name):
            properties[field] = self._kind(name, field, asked)
        required = self._required(name)
        return _object(properties, ["do", *(field for field in properties if field in required)])

    def _kind(self, name: str, field: str, asked: Asked) -> dict[str, Any]:
        given = self._properties(name)[field]
        if field in _GOALS and asked.goals:
            return {"enum": list(range(1, len(asked.goals[:MAX_GOALS]) + 1))}
        return {"enum": given["enum"]} if "enum" in given else {"type": "string"}

    def _generic(self, name: str, written: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
        """For tools known only by their schema: words become the days and numbers that the schema asks for."""
        made = {}
        for field in self._fields(name):
            value = _typed(self._properties(name)[field], written.get(field), asked)
            if field in _GOALS:
                goal = _goal(written.get(field), asked)
                value = goal and goal.id
            if value is not None:
                made[field] = value
        return made


def asked_in(text: str, today: date) -> Asked:
    """A user turn as LifeBuddy writes it: `<known>`, lines of JSON, `</known>`, then what the person said."""
    block, goals = "", []
    if text.startswith("<known>\n") and "\n</known>" in text:
        block, _, text = text.removeprefix("<known>\n").partition("\n</known>")
    for line in block.splitlines():
        told = _first_object(line)
        if isinstance(told.get("today"), str):
            today = _iso(told["today"]) or today
        if isinstance(told.get("id"), str) and isinstance(told.get("title"), str):
            goals.append(KnownGoal(told["id"], told["title"], _unit(told.get("metric"))))
    return Asked(text.strip(), today, tuple(goals))


def _create(written: Mapping[str, Any], asked: Asked) -> dict[str, Any] | None:
    title = _title(written.get("title"), asked)
    if title is None:
        return None
    made: dict[str, Any] = {"title": title, **_due(written, asked)}
    target = amounts.number(title)
    if target and target.unit and target.value > 0 and amounts.percent(title) is None:
        made |= {"unit": target.unit[:40], "target": target.value}
    return made


def _record(written: Mapping[str, Any], asked: Asked) -> dict[str, Any] | None:
    said = own_words(asked.said)
    goal = _counted(said, asked) or _goal(written.get("goal"), asked)
    if goal is None:
        return None
    told = amounts.progress(said, measured=goal.measured)
    if told is None:
        return None
    kind, value = told
    return {"goal": goal.id, kind: value}


def _only_goal(written: Mapping[str, Any], asked: Asked) -> dict[str, Any] | None:
    goal = _goal(written.get("goal"), asked)
    return None if goal is None else {"goal": goal.id}


def _change(written: Mapping[str, Any], asked: Asked) -> dict[str, Any] | None:
    goal = _goal(written.get("goal"), asked)
    if goal is None:
        return None
    changed: dict[str, Any] = dict(_due(written, asked))
    title = _title(written.get("title"), asked)
    if title is not None and dates.plain(title) != dates.plain(goal.title) and not changed:
        changed["title"] = title
    if not changed and goal.measured and (target := amounts.number(asked.said)):
        changed["target"] = target.value
    return {"goal": goal.id, **changed} if changed else None


def _move(written: Mapping[str, Any], asked: Asked) -> dict[str, Any] | None:
    goal, parent = _goal(written.get("goal"), asked), _goal(written.get("parent"), asked, lexical=False)
    if goal is None or parent is None or goal == parent:
        return None
    return {"goal": goal.id, "parent": parent.id}


_Build = Callable[[Mapping[str, Any], Asked], dict[str, Any] | None]
_BUILD: Final[dict[str, _Build]] = {
    "create_goal": _create,
    "record_progress": _record,
    "complete_goal": _only_goal,
    "change_goal": _change,
    "move_goal": _move,
    "remove_goal": _only_goal,
    "list_goals": lambda _written, _asked: {},
}


def _due(written: Mapping[str, Any], asked: Asked) -> dict[str, str]:
    """A day only where the person named one; never one that is past."""
    found = dates.find(asked.said, asked.today)
    day = found.day if found else None
    words = written.get("due")
    if day is None and isinstance(words, str) and dates.is_said(words, asked.said):
        day = dates.parse(words, asked.today)
    return {"due": day.isoformat()} if day and day >= asked.today else {}


def _title(words: Any, asked: Asked) -> str | None:
    """In the person's own words, or not at all; without the day, which stands in `due`."""
    if not isinstance(words, str) or not _grounded(words, asked.said):
        return None
    title = dates.without_day(_one_line(words), asked.today).strip(" .,!;:\"'")[:200]
    return f"{title[:1].upper()}{title[1:]}" or None


def _grounded(words: str, said: str) -> bool:
    mine = re.findall(r"\w+", dates.plain(words))
    theirs = re.findall(r"\w+", dates.plain(said))
    near = sum(any(word[:4] == other[:4] for other in theirs) for word in mine)
    return bool(mine) and near * 2 > len(mine)


def _goal(number: Any, asked: Asked, *, lexical: bool = True) -> KnownGoal | None:
    """The goal whose title the words name best; where they name none, the one the model chose."""
    scores = [_likeness(goal.title, asked.said) for goal in asked.goals]
    best = max(scores, default=0.0)
    if lexical and best >= 0.5 and scores.count(best) == 1:
        return asked.goals[scores.index(best)]
    if isinstance(number, int) and 1 <= number <= len(asked.goals[:MAX_GOALS]):
        return asked.goals[number - 1]
    return None


def _counted(said: str, asked: Asked) -> KnownGoal | None:
    """The only goal that is counted in what the sentence counts."""
    unit = (amounts.number(said) or amounts.Said(0, "")).unit
    counted = [goal for goal in asked.goals if goal.unit and unit and _stems(goal.unit) & _stems(unit)]
    return counted[0] if len(counted) == 1 else None


def _likeness(title: str, said: str) -> float:
    """The share of the title's longer words, and its numbers, that are said, a changed ending forgiven."""
    words = [word for word in re.findall(r"\w+", dates.plain(title)) if len(word) > 3 or word.isdigit()]
    theirs = [word for word in re.findall(r"\w+", dates.plain(said)) if len(word) > 2 or word.isdigit()]
    hits = sum(bool(difflib.get_close_matches(word, theirs, n=1, cutoff=0.75)) for word in words)
    return hits / len(words) if words else 0.0


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


def _about_goals(asked: Asked) -> bool:
    """Whether a share is told of, or a word of any goal is said: a number alone is no progress."""
    if amounts.percent(own_words(asked.said)) is not None:
        return True
    said = _stems(own_words(asked.said))
    return any(said & _stems(f"{goal.title} {goal.unit}") for goal in asked.goals)


def _stems(text: str) -> set[str]:
    return {word[:3] for word in re.findall(r"[^\W\d_]{3,}", dates.plain(text))} - _STOP


def _unit(metric: Any) -> str:
    unit = metric.get("unit") if isinstance(metric, dict) else None
    return unit if isinstance(unit, str) else ""


def _mentions(said: str, name: str) -> bool:
    """Whether a word of a tool's name is said: `remember`, `schedule_reminder`."""
    words = {word[:5] for word in re.findall(r"\w{4,}", dates.plain(own_words(said)))}
    return any(part[:5] in words for part in name.split("_") if len(part) > 3)


def _first_object(text: str) -> dict[str, Any]:
    """The first JSON object in a text; empty for anything else, half an object too."""
    try:
        read, _ = json.JSONDecoder().raw_decode(text[text.find("{") :] if "{" in text else "")
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _question(goals: str, said: str) -> dict[str, str]:
    return {"role": "user", "content": f"Goals: {goals or '-'}\nSaid: {_one_line(said)}"}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
