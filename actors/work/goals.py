"""Goals: what a command about them leads to. Progress of everything above a change is settled with it."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from actors.commands import (
    ChangeGoal,
    Command,
    CompleteGoal,
    CreateGoal,
    MoveGoal,
    RecordProgress,
    RemoveGoal,
    ReopenGoal,
)
from actors.domain import roll_up
from actors.domain.days import local_day
from actors.domain.goals import MAX_DEPTH, MAX_GOALS, Goal, Metric, cancelled, completed, progressed, reopened
from actors.domain.refusals import (
    GoalClosed,
    GoalCycle,
    GoalDepth,
    GoalFromChildren,
    GoalHasChildren,
    GoalOpen,
    Invalid,
    NotFound,
    TooManyGoals,
)
from actors.domain.texts import saying
from actors.events import GoalChanged, GoalCompleted, GoalCreated, GoalProgressed, GoalRemoved, GoalReopened
from actors.journal.journaled import Decided, Stamp

Goals = Mapping[str, Goal]


class GoalAnswer(msgspec.Struct, frozen=True):
    """The goal as it is now, and which parts its progress comes from."""

    goal: Goal
    explain: tuple[roll_up.Share, ...] = ()


class RemovedAnswer(msgspec.Struct, frozen=True):
    """The goal as it was, the ids that are gone with it, and those that were cancelled instead."""

    goal: Goal
    goal_id: str
    removed: tuple[str, ...]
    closed: tuple[str, ...] = ()


def create(goals: Goals, command: CreateGoal, stamp: Stamp) -> Decided:
    """Raises NotFound for an unknown parent, GoalClosed, GoalDepth, TooManyGoals, Invalid."""
    if len(goals) >= MAX_GOALS:
        raise TooManyGoals
    _check_parent(goals, command.parent_id, height=1)
    _check_metric(command.metric)
    goal = Goal(
        id=stamp.new_id(),
        title=saying(command.title, "title"),
        parent_id=command.parent_id,
        kind=command.kind,
        area=command.area,
        effort=command.effort,
        due=command.due,
        metric=command.metric,
        own_progress=_own_progress(command.metric, 0.0),
        created_at=stamp.at,
        updated_at=stamp.at,
    )
    goal = roll_up.settled(goal, ())
    after = {**goals, goal.id: goal}
    rolled_up = roll_up.settle(after, roll_up.ancestors(after, goal.id))
    return Decided([GoalCreated(goal, rolled_up)], GoalAnswer(goal))


def change(goals: Goals, command: ChangeGoal, stamp: Stamp) -> Decided:
    """Only what is given changes; a metric is replaced whole. Nothing new, no event. Raises NotFound, Invalid."""
    before = _own(goals, command.goal_id)
    given = {
        field: value
        for field, value in msgspec.structs.asdict(command).items()
        if value is not UNSET and field != "goal_id"
    }
    if "title" in given:
        given["title"] = saying(given["title"], "title")
    if given.get("metric") is not None:
        _check_metric(given["metric"])
        given["own_progress"] = _own_progress(given["metric"], before.own_progress)
    goal = replace(before, **given)
    if goal == before:
        return Decided((), GoalAnswer(before, roll_up.explain(goals, before.id)))
    return _changed(goals, replace(goal, updated_at=stamp.at))


def move(goals: Goals, command: MoveGoal, stamp: Stamp) -> Decided:
    """Raises NotFound, GoalCycle, GoalClosed for a parent that is not open, GoalDepth."""
    before = _own(goals, command.goal_id)
    if command.parent_id == before.parent_id:
        return Decided((), GoalAnswer(before, roll_up.explain(goals, before.id)))
    below = roll_up.descendants(goals, before.id)
    if command.parent_id == before.id or any(command.parent_id in level for level in below):
        raise GoalCycle(fields={"parent_id": "is the goal itself or one of its parts"})
    _check_parent(goals, command.parent_id, height=1 + len(below))
    return _changed(goals, replace(before, parent_id=command.parent_id, updated_at=stamp.at))


def progress(goals: Goals, command: RecordProgress, stamp: Stamp, tz: str) -> Decided:
    """Record how far a goal has come. Raises NotFound, GoalClosed, GoalFromChildren, Invalid."""
    before = _open(goals, command.goal_id)
    if before.source == "children":
        raise GoalFromChildren
    metric = _moved(before.metric, command)
    reached = roll_up.at_most_open(command.progress or 0.0) if metric is None else roll_up.measured(metric)
    goal = progressed(before, reached, metric, stamp.at)
    after = {**goals, goal.id: goal}
    event = GoalProgressed(
        goal_id=goal.id,
        progress=reached,
        day=local_day(stamp.occurred_at or stamp.at, tz),
        tz=tz,
        metric=metric,
        note=command.note,
        rolled_up=roll_up.settle(after, roll_up.ancestors(after, goal.id)),
        occurred_at=stamp.occurred_at,
    )
    return Decided([event], GoalAnswer(goal))


def complete(goals: Goals, command: CompleteGoal, stamp: Stamp, tz: str) -> Decided:
    """Close a goal as done; its parts stay as they are. Raises NotFound, GoalClosed."""
    goal = completed(_open(goals, command.goal_id), stamp.at)
    after = {**goals, goal.id: goal}
    rolled_up = roll_up.settle(after, roll_up.ancestors(after, goal.id))
    day = local_day(stamp.occurred_at or stamp.at, tz)
    event = GoalCompleted(goal.id, day, tz, rolled_up, stamp.occurred_at)
    return Decided([event], GoalAnswer(goal, roll_up.explain(after, goal.id)))


def reopen(goals: Goals, command: ReopenGoal, stamp: Stamp) -> Decided:
    """Take a completion or a cancellation back: the progress is what it was. Raises NotFound, GoalOpen."""
    before = _own(goals, command.goal_id)
    if before.status == "open":
        raise GoalOpen
    parts = roll_up.children(goals, [before.id])[before.id]
    reached = roll_up.settled(replace(before, status="open"), parts).progress
    goal = reopened(before, reached, stamp.at)
    after = {**goals, goal.id: goal}
    rolled_up = roll_up.settle(after, roll_up.ancestors(after, goal.id))
    return Decided([GoalReopened(goal.id, reached, rolled_up)], GoalAnswer(goal, roll_up.explain(after, goal.id)))


def remove(goals: Goals, command: RemoveGoal, stamp: Stamp) -> Decided:
    """Raises NotFound; GoalHasChildren when nothing is said about the parts.

    cascade=delete removes the parts too. cascade=close cancels those that are open; the direct parts stand on
    their own from then on, so that what was done stays to be seen.
    """
    goal = _own(goals, command.goal_id)
    levels = roll_up.descendants(goals, goal.id)
    if levels and command.cascade == "none":
        raise GoalHasChildren
    event = _delete(goals, goal, levels) if command.cascade == "delete" else _close(goals, goal, levels, stamp.at)
    return Decided([event], RemovedAnswer(goal, goal.id, event.removed, event.closed))


def restore(goals: Goals, before: Goal, stamp: Stamp) -> Decided:
    """What was recorded on a goal becomes what it was before. Raises NotFound."""
    goal = replace(_own(goals, before.id), own_progress=before.own_progress, metric=before.metric, updated_at=stamp.at)
    return _changed(goals, goal)


COMMANDS: dict[type[Command], Callable[[Goals, Any, Stamp, str], Decided]] = {
    CreateGoal: lambda goals, command, stamp, _: create(goals, command, stamp),
    ChangeGoal: lambda goals, command, stamp, _: change(goals, command, stamp),
    MoveGoal: lambda goals, command, stamp, _: move(goals, command, stamp),
    RecordProgress: progress,
    CompleteGoal: complete,
    ReopenGoal: lambda goals, command, stamp, _: reopen(goals, command, stamp),
    RemoveGoal: lambda goals, command, stamp, _: remove(goals, command, stamp),
}
"""What happens on a command about goals, in the zone of the user."""


def _delete(goals: Goals, goal: Goal, levels: list[list[str]]) -> GoalRemoved:
    above = list(roll_up.ancestors(goals, goal.id))
    removed = (goal.id, *(goal_id for level in levels for goal_id in level))
    gone = set(removed)
    after = {goal_id: kept for goal_id, kept in goals.items() if goal_id not in gone}
    return GoalRemoved(goal.id, removed, rolled_up=roll_up.settle(after, above))


def _close(goals: Goals, goal: Goal, levels: list[list[str]], at: datetime) -> GoalRemoved:
    above = list(roll_up.ancestors(goals, goal.id))
    below = [goal_id for level in levels for goal_id in level]
    loosened = tuple(levels[0]) if levels else ()
    closed = tuple(goal_id for goal_id in below if goals[goal_id].status == "open")
    after = {**goals, **{goal_id: cancelled(goals[goal_id], at) for goal_id in closed}}
    after |= {goal_id: replace(after[goal_id], parent_id=None) for goal_id in loosened}
    del after[goal.id]
    rolled_up = roll_up.settle(after, [*reversed(below), *above])
    return GoalRemoved(goal.id, (goal.id,), closed, loosened, rolled_up)


def _changed(goals: Goals, goal: Goal) -> Decided:
    """What follows when a goal's own fields or its place are other than before."""
    goal = roll_up.settled(goal, roll_up.children(goals, [goal.id])[goal.id])
    after = {**goals, goal.id: goal}
    above = dict.fromkeys([*roll_up.ancestors(goals, goal.id), *roll_up.ancestors(after, goal.id)])
    deepest_first = sorted(above, key=lambda goal_id: roll_up.depth(after, goal_id), reverse=True)
    rolled_up = roll_up.settle(after, deepest_first)
    return Decided([GoalChanged(goal, rolled_up)], GoalAnswer(goal, roll_up.explain(after, goal.id)))


def _own(goals: Goals, goal_id: str) -> Goal:
    try:
        return goals[goal_id]
    except KeyError:
        raise NotFound from None


def _open(goals: Goals, goal_id: str) -> Goal:
    goal = _own(goals, goal_id)
    if goal.status != "open":
        raise GoalClosed
    return goal


def _check_parent(goals: Goals, parent_id: str | None, height: int) -> None:
    """Whether something so many levels high may hang under this parent."""
    if parent_id is None:
        return
    if parent_id not in goals:
        raise NotFound(fields={"parent_id": "there is no such goal"})
    if goals[parent_id].status != "open":
        raise GoalClosed(fields={"parent_id": "this goal is not open"})
    if roll_up.depth(goals, parent_id) + height > MAX_DEPTH:
        raise GoalDepth(fields={"parent_id": "would be too deep"})


def _check_metric(metric: Metric | None) -> None:
    if metric is None:
        return
    saying(metric.unit, "metric.unit")
    if metric.target == metric.start:
        raise Invalid(fields={"metric.target": "must differ from metric.start"})


def _own_progress(metric: Metric | None, otherwise: float) -> float:
    return otherwise if metric is None else roll_up.measured(metric)


def _moved(metric: Metric | None, command: RecordProgress) -> Metric | None:
    """Where the metric stands after the command; None for a goal that has none."""
    given = [field for field in ("progress", "amount", "add") if getattr(command, field) is not None]
    if len(given) != 1:
        raise Invalid(fields={"progress": "give exactly one of progress, amount and add"})
    if metric is None:
        if given != ["progress"]:
            raise Invalid(fields={given[0]: "this goal has no metric; give progress in percent"})
        return None
    if given == ["progress"]:
        raise Invalid(fields={"progress": f"this goal is measured in {metric.unit}; give amount or add"})
    before = metric.start if metric.current is None else metric.current
    current = before + command.add if command.add is not None else command.amount
    if current is None or not math.isfinite(current) or abs(current) > 1e12:
        raise Invalid(fields={given[0]: "is out of range"})
    return replace(metric, current=current)
