"""The rows people query, whole, as a session's state has them after some of its events."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from actors.domain.days import local_day
from actors.domain.life_areas import Area
from actors.domain.profile import Email, Name, Preferences, Profile
from actors.events import (
    AccountOpened,
    GoalChanged,
    GoalCompleted,
    GoalCreated,
    GoalProgressed,
    GoalRemoved,
    GoalReopened,
    MessageAdded,
    ProfileChanged,
    Recorded,
)
from actors.journal.outside import Row
from actors.session.state import State, stats
from actors.session.views import message


class UserStats(msgspec.Struct, frozen=True, rename="camel"):
    goals_completed: int
    streak_days: int
    total_progress: float


class User(msgspec.Struct, frozen=True, rename="camel"):
    """A row of `users`: the field names of the given data model."""

    email: Email
    name: Name
    avatar: str | None
    preferences: Preferences
    life_areas: dict[Area, float | None]
    stats: UserStats
    created_at: Annotated[datetime, Meta(tz=True)]
    updated_at: Annotated[datetime, Meta(tz=True)]


def rows(state: State, events: Sequence[Recorded]) -> list[Row]:
    """The rows these events touched, each with the seq of the last event that touched it.

    A goal that is gone leaves a tombstone. Messages never change: their rows are made from the events alone.
    """
    goals: dict[str, int] = {}
    found: list[Row] = []
    user: Recorded | None = None
    for recorded in events:
        event = recorded.data
        if isinstance(event, MessageAdded):
            found.append(Row("chat_messages", event.id, recorded.seq, message(event, recorded.seq, recorded.at)))
            continue
        touched = _goals(recorded)
        goals |= dict.fromkeys(touched, recorded.seq)
        if touched or isinstance(event, AccountOpened | ProfileChanged):
            user = recorded
    found += [Row("goals", goal_id, seq, state.goals.get(goal_id)) for goal_id, seq in goals.items()]
    if user is not None and state.profile is not None:
        found.append(_user(state, state.profile, user))
    return found


def _goals(recorded: Recorded) -> list[str]:
    """The ids of the goals an event touched."""
    match recorded.data:
        case GoalCreated(goal=goal, rolled_up=rolled_up) | GoalChanged(goal=goal, rolled_up=rolled_up):
            touched = [goal.id]
        case (
            GoalProgressed(goal_id=goal_id, rolled_up=rolled_up)
            | GoalCompleted(goal_id=goal_id, rolled_up=rolled_up)
            | GoalReopened(goal_id=goal_id, rolled_up=rolled_up)
        ):
            touched = [goal_id]
        case GoalRemoved(removed=removed, closed=closed, loosened=loosened, rolled_up=rolled_up):
            touched = [*removed, *closed, *loosened]
        case _:
            return []
    return [*touched, *(change.id for change in rolled_up)]


def _user(state: State, profile: Profile, last: Recorded) -> Row:
    sums = stats(state, _today(profile, last))
    user = User(
        email=profile.email,
        name=profile.name,
        avatar=None,
        preferences=profile.preferences,
        life_areas=profile.life_areas,
        stats=UserStats(sums.goals_completed, sums.streak_days, sums.total_progress),
        created_at=profile.created_at,
        updated_at=last.at,
    )
    return Row("users", profile.user_id, last.seq, user)


def _today(profile: Profile, last: Recorded) -> date:
    """The user's day when the row was last touched: the same whenever it is made anew from the log."""
    return local_day(last.at, profile.tz)
