"""One sentence for people on what a command does to their goals: what they read before they say yes."""

from datetime import date
from typing import Any, Final

import msgspec
from msgspec import UNSET

from actors.commands import ChangeGoal, Command, CompleteGoal, CreateGoal, MoveGoal, RecordProgress, RemoveGoal
from actors.domain.goals import Goal, Metric
from actors.domain.texts import quoted
from actors.events import GoalRemoved
from actors.journal.journaled import Decided
from actors.work.goals import Goals

_NAMED: Final = 3
"""How many parts are named before they are only counted."""


def summary(goals: Goals, command: Command, decided: Decided) -> str:
    """What the command, decided so on these goals, comes to."""
    match command:
        case CreateGoal():
            return _created(decided.answer.goal)
        case RecordProgress():
            return f"Record {_reached(decided.answer.goal)} on {quoted(decided.answer.goal.title)}"
        case CompleteGoal():
            return f"Complete {quoted(decided.answer.goal.title)}"
        case ChangeGoal():
            return _changed(goals[command.goal_id], command)
        case MoveGoal():
            return _moved(goals, command)
        case RemoveGoal():
            return _removed(goals, command, decided)
    raise TypeError(type(command).__name__)


def _created(goal: Goal) -> str:
    due = f", due {goal.due}" if goal.due else ""
    return f"Add the {goal.kind} {quoted(goal.title)}{due}"


def _reached(goal: Goal) -> str:
    metric = goal.metric
    if metric is None:
        return f"{goal.own_progress:g} %"
    return f"{metric.current:g} of {metric.target:g} {metric.unit}"


def _changed(before: Goal, command: ChangeGoal) -> str:
    given = {field: value for field, value in msgspec.structs.asdict(command).items() if value is not UNSET}
    changes = [
        f"{_WORDS.get(field, field)} from {_value(getattr(before, field))} to {_value(value)}"
        for field, value in given.items()
        if field != "goal_id" and value != getattr(before, field)
    ]
    return f"Change {quoted(before.title)}: {'; '.join(changes)}"


_WORDS: Final = {"due": "the day", "metric": "the target", "title": "the title", "area": "the area"}


def _value(value: Any) -> str:
    match value:
        case None:
            return "none"
        case Metric():
            return f"{value.target:g} {value.unit}"
        case date():
            return value.isoformat()
        case float():
            return f"{value:g}"
    return quoted(str(value))


def _moved(goals: Goals, command: MoveGoal) -> str:
    title = quoted(goals[command.goal_id].title)
    if command.parent_id is None:
        return f"Make {title} stand on its own"
    return f"Make {title} a part of {quoted(goals[command.parent_id].title)}"


def _removed(goals: Goals, command: RemoveGoal, decided: Decided) -> str:
    title = quoted(goals[command.goal_id].title)
    event: GoalRemoved = decided.events[0]
    taken = [goal_id for goal_id in event.removed if goal_id != command.goal_id]
    if taken:
        return f"Remove {title} and all its parts: {_names(goals, taken)}"
    if event.closed:
        return f"Remove {title} and cancel its open parts: {_names(goals, event.closed)}"
    return f"Remove {title}"


def _names(goals: Goals, ids: list[str] | tuple[str, ...]) -> str:
    named = ", ".join(quoted(goals[goal_id].title) for goal_id in ids[:_NAMED])
    return f"{named} and {len(ids) - _NAMED} more" if len(ids) > _NAMED else named
