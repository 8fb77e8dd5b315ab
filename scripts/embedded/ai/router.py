"""The tool router without I/O: the short constrained question a small model can answer, and what its answer means."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from scripts.embedded.ai import amounts, dates
from scripts.embedded.ai.arguments import FORMS, GOALS, WORDS, build, by_schema
from scripts.embedded.ai.asked import MAX_GOALS, Asked
from scripts.embedded.ai.cues import (
    CUES,
    TELLING,
    asked_for,
    asks_kindly,
    closes,
    is_barred,
    is_of_others,
    own_words,
    says_all,
)

NONE: Final = "none"
MAX_SAID: Final = 600
_TEXT: Final = r'[^"\\\n]+'
_RULES: Final = """You read one message to a life coach and choose what the person asks to be done. Answer with one JSON string: the name, then the goal's number or the title.
none: chat, questions, feelings, advice, or nothing to be written down. A title is copied from the message word for word, also how often; only the day it is due is left out."""
_EXAMPLES: Final = (
    ("1 Read 12 books", "I want to run 10 km by the end of June, please set that up", "add Run 10 km"),
    ("1 Run 10 km", "I feel tired and slept only 5 hours", NONE),
    ("1 Run 10 km; 2 Read 12 books", "I have read 3 more books", "progress 2"),
    ("", "Leg bitte ein Ziel an: jeden Tag meditieren, bis Ende März", "add Jeden Tag meditieren"),
    ("1 Courir 10 km; 2 Apprendre le piano", "J'ai fini de courir mes 10 km !", "done 1"),
    ("1 Ahorrar 500 euros; 2 Correr 10 km", "Borra lo de correr", "remove 2"),
    ("1 Read 12 books; 2 Learn Spanish", "Move my Spanish goal to 1 May", "change 2"),
    ("1 Laufen", "Nenn das Ziel lieber Joggen", "change 1 Joggen"),
    ("1 Garten umgraben", "Ich habe die Hälfte vom Garten geschafft", "progress 1"),
    ("1 Run 10 km", "Add a goal to visit my aunt every second Sunday", "add Visit my aunt every second Sunday"),
    ("1 Leer 12 libros", "Me gustaría dormir mejor, guárdalo", "add Dormir mejor"),
    ("1 Learn Spanish", "How can I learn 20 words a day?", NONE),
)


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
        meant = asked_for(asked.said)
        meant = _cleared(meant | _implied(asked, more=bool(meant)), asked) & frozenset(self._tools)
        return meant | {name for name in self._unknown if _mentions(asked.said, name)}

    def certain(self, asked: Asked) -> Call | None:
        """What needs no model: a share of the one goal that is named, or so much more of what one is counted in."""
        said = own_words(asked.said)
        if self.offered(asked) != {"record_progress"}:
            return None
        shared = amounts.percent(said) is not None and asked.goal(None) is not None
        counted = amounts.tells(said) and asked.counted_by_number() is not None
        return self.read('"progress"', asked) if shared or counted else None

    def prompt(self, asked: Asked) -> list[dict[str, str]]:
        """The constant part first, so that the model keeps it read; only the last message changes, and it at its end."""
        told = [{"role": "system", "content": "\n".join([_RULES, *map(self._line, self._tools)])}]
        for goals, said, answer in _EXAMPLES:
            if _name(answer.partition(" ")[0]) in {NONE, *self._tools}:
                told.append(_question(goals, said))
                told.append({"role": "assistant", "content": f'"{answer}"'})
        listed = "; ".join(f"{i} {_one_line(goal.title)}" for i, goal in enumerate(asked.goals[:MAX_GOALS], 1))
        return [*told, _question(listed, asked.said[:MAX_SAID])]

    def schema(self, asked: Asked) -> dict[str, Any]:
        """What may be answered: one of the tools that can be meant, or none."""
        offered = sorted(self.offered(asked))
        written = [NONE, *(_form(name, asked) for name in offered if name in FORMS)]
        line = {"type": "string", "pattern": f"^({'|'.join(written)})$"}
        return {"anyOf": [line, *(self._shape(name, asked) for name in offered if name not in FORMS)]}

    def read(self, answer: str, asked: Asked) -> Call | None:
        """The call that an answer means, mended where it can be; None for none and for garbage."""
        written = _written(answer)
        name = written.get("do")
        if not isinstance(name, str) or name not in self.offered(asked):
            return None
        allowed = self._properties(name)
        if name in FORMS:
            arguments = build(name, written, asked)
        else:
            arguments = by_schema(allowed, self._required(name), written, asked)
        fitting = {field: value for field, value in (arguments or {}).items() if field in allowed}
        return Call(name, fitting) if arguments is not None and self._required(name) <= fitting.keys() else None

    def _line(self, name: str) -> str:
        """The first clause of what a tool is for."""
        return f"{WORDS.get(name, name)}: {re.split('[.,]', str(self._tools[name].get('description', '')))[0][:80]}"

    def _properties(self, name: str) -> dict[str, Any]:
        return dict(self._tools[name].get("parameters", {}).get("properties", {}))

    def _required(self, name: str) -> frozenset[str]:
        return frozenset(self._tools[name].get("parameters", {}).get("required", ()))

    def _shape(self, name: str, asked: Asked) -> dict[str, Any]:
        required = sorted(self._required(name) & self._properties(name).keys())
        properties = {"do": {"const": name}} | {field: self._kind(name, field, asked) for field in required}
        return {
            "type": "object",
            "properties": properties,
            "required": ["do", *required],
            "additionalProperties": False,
        }

    def _kind(self, name: str, field: str, asked: Asked) -> dict[str, Any]:
        given = self._properties(name)[field]
        if field in GOALS and asked.goals:
            return {"enum": list(range(1, len(asked.goals[:MAX_GOALS]) + 1))}
        return {"enum": given["enum"]} if "enum" in given else {"type": "string"}


def _implied(asked: Asked, *, more: bool) -> frozenset[str]:
    """What words without a cue can mean: what changes a goal is only proposed, so there the model may judge alone.

    By how it is asked only where there is no more that they mean.
    """
    if is_barred(asked.said) or is_of_others(asked.said):
        return frozenset()
    implied: set[str] = set()
    if amounts.percent(own_words(asked.said)) is not None and not asked.said.endswith("?"):
        implied |= {"record_progress"}
    if asked.named() and asked.day:
        implied |= {"change_goal"}
    if asks_kindly(asked.said) and not more:
        implied |= {"change_goal", "remove_goal"} if asked.named() else {"create_goal"}
    return frozenset(implied)


def _cleared(meant: frozenset[str], asked: Asked) -> frozenset[str]:
    """Without what the goals that there are, and the numbers that are said, rule out."""
    if not asked.goals:
        meant -= {name for name, fields in FORMS.items() if "goal" in fields}
    if "create_goal" in meant and not asked.named() and not asked.about_goals():
        meant -= TELLING
    if not asked.about_goals() or ("complete_goal" in meant and closes(asked.said)):
        meant -= {"record_progress"}
    if asked.reached() and meant - {"record_progress"}:
        return meant - {"record_progress"}
    if asked.reached() and meant and says_all(asked.said):
        return frozenset({"complete_goal"})
    if "record_progress" in meant and asked.counted_by_number():
        meant -= {"complete_goal"}
    return meant


def _form(name: str, asked: Asked) -> str:
    """The line that asks for a tool, as a pattern; a title that is changed is written only where no day is."""
    number = f" ({'|'.join(str(number) for number in range(1, len(asked.goals[:MAX_GOALS]) + 1))})"
    word = WORDS[name]
    if name == "change_goal":
        return f"{word}{number}" if asked.day else f"{word}{number}( {_TEXT})?"
    return word + "".join(number if field in GOALS else f" {_TEXT}" for field in FORMS[name])


def _written(answer: str) -> dict[str, Any]:
    """An answer's fields, `do` among them: of a line, or of an object for tools known only by their schema."""
    try:
        read, _ = json.JSONDecoder().raw_decode(answer.strip())
    except (ValueError, RecursionError):
        return {}
    if isinstance(read, dict):
        return read
    name, _, rest = read.strip().partition(" ") if isinstance(read, str) else ("", "", "")
    name = _name(name)
    made: dict[str, Any] = {"do": name}
    for field in FORMS.get(name, ()):
        if field in GOALS:
            word, _, rest = rest.partition(" ")
            made[field] = int(word) if word.isdecimal() else None
        else:
            made[field] = rest
    return made


def _name(word: str) -> str:
    return next((name for name, called in WORDS.items() if called == word), word)


def _mentions(said: str, name: str) -> bool:
    """Whether a word of a tool's name is said: `remember`, `schedule_reminder`."""
    words = {word[:5] for word in re.findall(r"\w{4,}", dates.plain(own_words(said)))}
    return any(part[:5] in words for part in name.split("_") if len(part) > 3)


def _question(goals: str, said: str) -> dict[str, str]:
    return {"role": "user", "content": f"Goals: {goals or '-'}\nSaid: {_one_line(said)}"}


def _one_line(text: str) -> str:
    return " ".join(text.split())
