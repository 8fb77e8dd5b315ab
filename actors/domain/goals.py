"""Goals: a tree of goals, milestones, tasks and steps; progress rolls up from the leaves."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from actors.domain.life_areas import Area
from actors.domain.private import private

Kind = Literal["goal", "milestone", "task", "step"]
Status = Literal["open", "done", "cancelled"]
Source = Literal["children", "checklist", "metric", "habit", "manual"]
Cascade = Literal["none", "close", "delete"]
MAX_DEPTH = 8
MAX_GOALS = 2_000

Title = Annotated[str, private(min_length=1, max_length=300)]
Note = Annotated[str, private(max_length=2_000)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Effort = Annotated[float, Meta(gt=0, le=10_000)]
Amount = Annotated[float, Meta(ge=-1e12, le=1e12)]


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a goal is measured by: from `start` to `target` in `unit`; `current` is where it stands."""

    unit: Annotated[str, private(min_length=1, max_length=40)]
    target: Amount
    start: Amount = 0.0
    current: Amount | None = None


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """One goal as apps see it. `progress` is 0-100 and shows at most 99 until the goal is completed.

    `own_progress` is what was recorded on the goal itself: what counts while it has no parts that count.
    """

    id: str
    title: Title
    parent_id: str | None = None
    kind: Kind = "goal"
    area: Area | None = None
    status: Status = "open"
    progress: Percent = 0.0
    own_progress: Percent = 0.0
    source: Source = "manual"
    effort: Effort | None = None
    due: date | None = None
    metric: Metric | None = None
    created_at: Annotated[datetime, Meta(tz=True)]
    updated_at: Annotated[datetime, Meta(tz=True)]
    completed_at: Annotated[datetime, Meta(tz=True)] | None = None


class RolledUp(msgspec.Struct, frozen=True):
    """The progress a goal came to have, and where from, when its parts moved, came or went."""

    id: str
    progress: float
    source: Source = "children"


def progressed(goal: Goal, progress: float, metric: Metric | None, at: datetime) -> Goal:
    """The goal after progress was recorded on it; a metric of None leaves its own as it was."""
    kept = goal.metric if metric is None else metric
    return replace(goal, progress=progress, own_progress=progress, metric=kept, updated_at=at)


def completed(goal: Goal, at: datetime) -> Goal:
    """The goal, done: the only way to 100."""
    return replace(goal, status="done", progress=100.0, updated_at=at, completed_at=at)


def reopened(goal: Goal, progress: float, at: datetime) -> Goal:
    """The goal, open again."""
    return replace(goal, status="open", progress=progress, updated_at=at, completed_at=None)


def cancelled(goal: Goal, at: datetime) -> Goal:
    """The goal, given up with the one it belonged to: it no longer counts."""
    return replace(goal, status="cancelled", updated_at=at)


def rolled_up(goal: Goal, change: RolledUp, at: datetime) -> Goal:
    """The goal with what its parts have come to."""
    return replace(goal, progress=change.progress, source=change.source, updated_at=at)
