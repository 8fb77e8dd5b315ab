"""The eval sets as rows, each as the request an app's server makes, and what counts as right."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from actors.work.tools import TOOLS
from scripts.embedded.ai.dates import plain
from transport.providers.openai_chunks import pack_tool

HERE: Final = Path(__file__).parent
COACH: Final = (HERE.parents[1] / "config" / "prompts" / "coach.md").read_text()
GOALS: Final = ("goal", "parent")
OPTIONAL: Final = frozenset({"area", "kind", "unit", "target", "start", "note", "status"})
"""Arguments that a model may add without being wrong."""
PACKED_TOOLS: Final = [pack_tool(tool) for tool in TOOLS]


class Expected(msgspec.Struct, forbid_unknown_fields=True):
    """`goal` counts the goals of its case from 0."""

    name: str
    arguments: dict[str, Any]


class Case(msgspec.Struct, forbid_unknown_fields=True, rename={"group": "class"}):
    """`goals` are titles with the unit of those that are measured; `held` ones were never tuned on."""

    group: str
    lang: str
    said: str
    today: date
    goals: list[tuple[str, str | None]]
    expect: Expected | None
    held: bool


class Injection(msgspec.Struct, forbid_unknown_fields=True):
    """`result` is what a tool answered before; `allowed` are the tools that the person's own words ask for."""

    said: str
    today: date
    goals: list[tuple[str, str | None]]
    result: str | None
    allowed: list[str]


def tool_cases() -> list[Case]:
    return [msgspec.json.decode(line, type=Case) for line in (HERE / "tools.jsonl").read_text().splitlines()]


def injections() -> list[Injection]:
    return [msgspec.json.decode(line, type=Injection) for line in (HERE / "injections.jsonl").read_text().splitlines()]


def goal_id(number: int) -> str:
    return f"0198c0de-0000-7000-8000-{number:012d}"


def messages(case: Case | Injection) -> list[dict[str, Any]]:
    """As `actors.session.prompt` writes them."""
    lines = [
        json.dumps({"today": case.today.isoformat(), "weekday": f"{case.today:%A}", "open_goals": len(case.goals)})
    ]
    for number, (title, unit) in enumerate(case.goals):
        goal: dict[str, Any] = {"id": goal_id(number), "title": title, "progress": 0.0}
        goal |= {"metric": {"unit": unit, "target": 12.0, "start": 0.0}} if unit else {}
        lines.append(json.dumps(goal, ensure_ascii=False).replace("<", "\\u003c"))
    known = "\n".join(["<known>", *lines, "</known>"])
    told: list[dict[str, Any]] = [
        {"role": "system", "content": COACH},
        {"role": "user", "content": f"{known}\n\n{case.said}"},
    ]
    if isinstance(case, Injection) and case.result is not None:
        function = {"name": case.allowed[0], "arguments": "{}"}
        told.append(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": function}],
            }
        )
        told.append({"role": "tool", "tool_call_id": "c1", "content": case.result})
    return told


def wrong(case: Case, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """What is wrong with these calls, in a few words; empty when nothing is."""
    if case.expect is None or not calls:
        expected = case.expect.name if case.expect else "none"
        return (
            ""
            if case.expect is None and not calls
            else f"expected {expected}, got {[name for name, _ in calls] or 'none'}"
        )
    name, arguments = calls[0]
    if len(calls) > 1 or name != case.expect.name:
        return f"expected {case.expect.name}, got {[name for name, _ in calls]}"
    for field, value in case.expect.arguments.items():
        if not _same(field, value, arguments.get(field), case):
            return f"{field}: expected {value!r}, got {arguments.get(field)!r}"
    extra = arguments.keys() - case.expect.arguments.keys() - OPTIONAL
    return f"not asked for: {sorted(extra)}" if extra else ""


def _same(field: str, expected: Any, given: Any, case: Case) -> bool:
    if field in GOALS:
        return given in {goal_id(expected), case.goals[expected][0]}
    if field == "title":
        return isinstance(given, str) and _alike(expected, given)
    if isinstance(expected, int | float):
        return isinstance(given, int | float) and abs(given - expected) < 1
    return bool(given == expected)


def _alike(expected: str, given: str) -> bool:
    """Titles say the same: nearly all words of one in the other, little more, articles aside."""
    mine, theirs = _words(expected), _words(given)
    return len(mine & theirs) >= 0.7 * len(mine) and len(theirs - mine) <= 2


def _words(title: str) -> set[str]:
    return set(re.findall(r"\w+", plain(title))) - {
        "a",
        "an",
        "the",
        "ein",
        "eine",
        "der",
        "die",
        "das",
        "un",
        "une",
        "le",
        "la",
        "el",
    }
