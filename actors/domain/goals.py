"""Goals: a tree of goals, milestones, tasks and steps; progress rolls up from the leaves."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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
    """One goal as apps see it. `progress` is 0-100 and shows at most 99 until the goal is closed."""

    id: str
    title: Title
    parent_id: str | None = None
    kind: Kind = "goal"
    area: Area | None = None
    status: Status = "open"
    progress: Percent = 0.0
    source: Source = "manual"
    effort: Effort | None = None
    due: date | None = None
    metric: Metric | None = None
    created_at: Annotated[datetime, Meta(tz=True)]
    updated_at: Annotated[datetime, Meta(tz=True)]


class RolledUp(msgspec.Struct, frozen=True):
    """The progress an ancestor came to have when one of its descendants moved."""

    id: str
    progress: float
