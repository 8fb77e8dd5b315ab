"""How progress rolls up a tree of goals: weights, ancestors, and the numbers of everything above a change.

`P(n) = Σ wᵢpᵢ / Σ wᵢ` over the children that are not cancelled; every weight is 1 unless one of the siblings has an
effort, then a missing effort is the median of the others. Sums are exact (`math.fsum`), so that the order in which
children were moved leaves no trace in the number.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

import msgspec
from msgspec.structs import replace

from actors.domain.goals import Goal, Metric, RolledUp

MOST_WHILE_OPEN = 99.0


class Share(msgspec.Struct, frozen=True):
    """What one part contributes to its parent. `estimated`: it has no effort of its own; `left_out`: cancelled."""

    id: str
    weight: float
    progress: float
    estimated: bool = False
    left_out: bool = False


def at_most_open(progress: float) -> float:
    """A progress within what a goal that is not completed may show."""
    return min(max(progress, 0.0), MOST_WHILE_OPEN)


def measured(metric: Metric) -> float:
    """How far a metric has come from its start to its target, 0-99; a target below the start is reached downwards."""
    if metric.current is None:
        return 0.0
    return at_most_open(100.0 * (metric.current - metric.start) / (metric.target - metric.start))


def weights(goals: Sequence[Goal]) -> list[float]:
    """What each of these siblings weighs."""
    efforts = [goal.effort for goal in goals if goal.effort is not None]
    missing = median(efforts) if efforts else 1.0
    return [missing if goal.effort is None else goal.effort for goal in goals]


def mean_progress(goals: Sequence[Goal]) -> float:
    """The effort-weighted mean progress of at least one goal."""
    heavy = weights(goals)
    return math.fsum(w * goal.progress for w, goal in zip(heavy, goals, strict=True)) / math.fsum(heavy)


def settled(goal: Goal, children: Sequence[Goal]) -> Goal:
    """The goal with the progress and the source that its status, its children and its own records give it."""
    counted = [child for child in children if child.status != "cancelled"]
    own = "manual" if goal.metric is None else "metric"
    progress = at_most_open(mean_progress(counted)) if counted else goal.own_progress
    if goal.status == "done":
        progress = 100.0
    return replace(goal, progress=progress, source="children" if counted else own)


def ancestors(goals: Mapping[str, Goal], goal_id: str) -> Iterator[str]:
    """The parent, its parent, and so on."""
    above = goals[goal_id].parent_id
    while above is not None:
        yield above
        above = goals[above].parent_id


def depth(goals: Mapping[str, Goal], goal_id: str) -> int:
    """1 for a goal without a parent."""
    return 1 + sum(1 for _ in ancestors(goals, goal_id))


def children(goals: Mapping[str, Goal], ids: Iterable[str]) -> dict[str, list[Goal]]:
    """The children of each of these goals, found in one pass."""
    found: dict[str, list[Goal]] = {goal_id: [] for goal_id in ids}
    for goal in goals.values():
        if goal.parent_id in found:
            found[goal.parent_id].append(goal)
    return found


def descendants(goals: Mapping[str, Goal], goal_id: str) -> list[list[str]]:
    """Everything below a goal, level by level: its children first."""
    levels: list[list[str]] = []
    level = [goal_id]
    while level := [child.id for below in children(goals, level).values() for child in below]:
        levels.append(level)
    return levels


def settle(goals: dict[str, Goal], ids: Iterable[str]) -> tuple[RolledUp, ...]:
    """Bring these goals, deepest first, up to date with their children, in place; answers which of them changed."""
    order = list(ids)
    families = {goal_id: [child.id for child in below] for goal_id, below in children(goals, order).items()}
    changed: dict[str, RolledUp] = {}
    for goal_id in order:
        before = goals[goal_id]
        after = settled(before, [goals[child] for child in families[goal_id]])
        if (after.progress, after.source) != (before.progress, before.source):
            goals[goal_id] = after
            changed[goal_id] = RolledUp(goal_id, after.progress, after.source)
    return tuple(changed.values())


def rebuilt(goals: Mapping[str, Goal]) -> dict[str, Goal]:
    """All goals with their numbers made anew from the leaves."""
    fresh = dict(goals)
    settle(fresh, sorted(goals, key=lambda goal_id: depth(goals, goal_id), reverse=True))
    return fresh


def explain(goals: Mapping[str, Goal], goal_id: str) -> tuple[Share, ...]:
    """Which parts make up a goal's progress, with what weight, and what was left out."""
    parts = children(goals, [goal_id])[goal_id]
    counted = [part for part in parts if part.status != "cancelled"]
    some_effort = any(part.effort is not None for part in counted)
    shares = [
        Share(part.id, weight, part.progress, estimated=some_effort and part.effort is None)
        for part, weight in zip(counted, weights(counted), strict=True)
    ]
    out = [part for part in parts if part.status == "cancelled"]
    return (*shares, *(Share(part.id, 0.0, part.progress, left_out=True) for part in out))
