"""What a model may write in a tool call: one Struct for each tool, flat, every field with a word to the model."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.domain.goals import Amount, Kind, Note, Percent, Title
from actors.domain.life_areas import Area

GoalName = Annotated[str, Meta(min_length=1, max_length=300, description="The goal's id, or its exact title.")]


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model may write in a call; a null counts as left out."""


class CreateGoalArguments(Arguments, frozen=True):
    title: Annotated[Title, Meta(description="Short, in the user's own words.")]
    area: Annotated[Area, Meta(description="The area of life it belongs to.")] | UnsetType = UNSET
    due: Annotated[date, Meta(description="YYYY-MM-DD, only when the user named a day.")] | UnsetType = UNSET
    parent: Annotated[GoalName, Meta(description="The goal this is a part of: id or exact title.")] | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    unit: Annotated[str, Meta(min_length=1, max_length=40, description="For a measured goal: km, pages, kg …")] | (
        UnsetType
    ) = UNSET
    target: Annotated[Amount, Meta(description="For a measured goal: the number to reach.")] | UnsetType = UNSET
    start: Annotated[Amount, Meta(description="For a measured goal: the number it starts from.")] | UnsetType = UNSET


class RecordProgressArguments(Arguments, frozen=True):
    goal: GoalName
    percent: Annotated[Percent, Meta(description="How far the goal is now, 0-100; for a goal without a unit.")] | (
        UnsetType
    ) = UNSET
    amount: Annotated[Amount, Meta(description="Where a measured goal stands now, in its unit.")] | UnsetType = UNSET
    add: Annotated[Amount, Meta(description="How much was added to a measured goal.")] | UnsetType = UNSET
    note: Annotated[Note, Meta(description="What the user said about it.")] | UnsetType = UNSET


class CompleteGoalArguments(Arguments, frozen=True):
    goal: GoalName


class ListGoalsArguments(Arguments, frozen=True):
    status: Annotated[Literal["open", "done", "all"], Meta(description="open when left out.")] = "open"


class ChangeGoalArguments(Arguments, frozen=True):
    goal: GoalName
    title: Annotated[Title, Meta(description="The new title.")] | UnsetType = UNSET
    area: Annotated[Area, Meta(description="The new area of life.")] | UnsetType = UNSET
    due: Annotated[date, Meta(description="The new day, YYYY-MM-DD.")] | UnsetType = UNSET
    target: Annotated[Amount, Meta(description="For a measured goal: the new number to reach.")] | UnsetType = UNSET


class MoveGoalArguments(Arguments, frozen=True):
    goal: GoalName
    parent: (
        Annotated[GoalName, Meta(description="The goal it becomes a part of; left out, it stands on its own.")]
        | UnsetType
    ) = UNSET


class RemoveGoalArguments(Arguments, frozen=True):
    goal: GoalName
    parts: (
        Annotated[
            Literal["cancel", "remove"],
            Meta(description="Only when it has parts: cancel them (they stay to be seen) or remove them too."),
        ]
        | UnsetType
    ) = UNSET


class FindHistoryArguments(Arguments, frozen=True):
    words: Annotated[str, Meta(min_length=1, max_length=200, description="What was talked about, one to five words.")]
