"""A session's state, and the fold: what every event makes of it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.domain import goals as of_goals
from actors.domain.actions import Action, held
from actors.domain.conversation import (
    HISTORY,
    HISTORY_CHARACTERS,
    Message,
    OwedReply,
    Spent,
    Summary,
    ToolStep,
    packed,
    unpacked,
)
from actors.domain.days import active, days_in_row, local_day, taken_back
from actors.domain.exports import Background
from actors.domain.goals import Goal, RolledUp
from actors.domain.profile import Activity, Profile, Stats
from actors.domain.roll_up import mean_progress
from actors.events import (
    AccountOpened,
    ActionProposed,
    ActionResolved,
    ActionTaken,
    Event,
    GoalChanged,
    GoalCompleted,
    GoalCreated,
    GoalProgressed,
    GoalRemoved,
    GoalReopened,
    MessageAdded,
    PausesLearned,
    ProfileChanged,
    Recorded,
    ReplyRetried,
    SummaryMade,
    ThreadRead,
    ToolUsed,
)
from actors.session.views import message, proposed, taken
from actors.work import exports
from actors.work.accounts import opened
from actors.work.profile import changed

FOLD_VERSION = 7
"""Raised whenever the same events give another state: older snapshots are thrown away then."""
STILL_COUNTS = timedelta(days=90)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """All a session knows. Never changed in place: the fold makes the next one beside it.

    `messages` are the newest, oldest first, each packed, and have so many `characters`, `owed` in the order the replies are due, `actions` oldest
    first. `goals_completed` outlives removed goals.
    """

    profile: Profile | None = None
    goals: dict[str, Goal] = {}
    messages: tuple[bytes, ...] = ()
    characters: int = 0
    owed: dict[str, OwedReply] = {}
    activity: Activity = Activity()
    goals_completed: int = 0
    actions: dict[str, Action] = {}
    summary: Summary | None = None
    spent: Spent = Spent(date.min)
    read: int = 0
    """The message up to which the user has read, by its seq."""
    background: Background = Background()
    pauses: float | None = None
    """How long the user pauses within a turn of speaking, in seconds, as calls have learned."""

    @property
    def history(self) -> Sequence[Message]:
        """The newest messages, oldest first, unpacked."""
        return [unpacked(one) for one in self.messages]


def apply(state: State, recorded: Recorded) -> State:
    """The state after one more event."""
    return EVENTS[type(recorded.data)](state, recorded.data, recorded)


def owed(state: State) -> dict[str, datetime]:
    """What must follow from what has happened, and since when."""
    replies = {reply.reply_id: reply.since for reply in state.owed.values()}
    return replies | {job.id: job.since for job in state.background.jobs.values()}


def stats(state: State, today: date) -> Stats:
    """The sums a user sees on their local day `today`.

    `total_progress` is the mean over the goals without a parent (they stand for their parts) that are open or were
    completed in the last 90 days.
    """
    counted = [goal for goal in state.goals.values() if goal.parent_id is None and _counts(goal, today)]
    tz = "UTC" if state.profile is None else state.profile.tz
    return Stats(
        goals_completed=state.goals_completed,
        streak_days=days_in_row(state.activity, today, tz),
        total_progress=mean_progress(counted) if counted else 0.0,
    )


def shown(state: State, today: date) -> Profile | None:
    """The profile as its user sees it on `today`, sums included."""
    return None if state.profile is None else replace(state.profile, stats=stats(state, today))


def _counts(goal: Goal, today: date) -> bool:
    if goal.status == "done" and goal.completed_at is not None:
        return today - goal.completed_at.date() <= STILL_COUNTS
    return goal.status == "open"


def _account_opened(state: State, event: AccountOpened, recorded: Recorded) -> State:
    return replace(state, profile=opened(event, recorded.at))


def _profile_changed(state: State, event: ProfileChanged, recorded: Recorded) -> State:
    if state.profile is None:
        raise LookupError("a profile changed that was never opened")
    return replace(state, profile=changed(state.profile, event, recorded.at))


def _goal_created(state: State, event: GoalCreated, recorded: Recorded) -> State:
    return replace(state, goals=_with(state.goals, event.goal, event.rolled_up, recorded.at))


def _goal_changed(state: State, event: GoalChanged, recorded: Recorded) -> State:
    return replace(
        state,
        goals=_with(state.goals, event.goal, event.rolled_up, recorded.at),
        activity=_without(state.activity, event.taken_back),
    )


def _goal_progressed(state: State, event: GoalProgressed, recorded: Recorded) -> State:
    goal = of_goals.progressed(state.goals[event.goal_id], event.progress, event.metric, recorded.at)
    return replace(
        state,
        goals=_with(state.goals, goal, event.rolled_up, recorded.at),
        activity=active(state.activity, event.day, event.tz, event.occurred_at or recorded.at),
    )


def _goal_completed(state: State, event: GoalCompleted, recorded: Recorded) -> State:
    goal = of_goals.completed(state.goals[event.goal_id], recorded.at)
    return replace(
        state,
        goals=_with(state.goals, goal, event.rolled_up, recorded.at),
        activity=active(state.activity, event.day, event.tz, event.occurred_at or recorded.at),
        goals_completed=state.goals_completed + 1,
    )


def _goal_reopened(state: State, event: GoalReopened, recorded: Recorded) -> State:
    before = state.goals[event.goal_id]
    goal = of_goals.reopened(before, event.progress, recorded.at)
    return replace(
        state,
        goals=_with(state.goals, goal, event.rolled_up, recorded.at),
        goals_completed=state.goals_completed - (before.status == "done"),
        activity=_without(state.activity, event.taken_back),
    )


def _goal_removed(state: State, event: GoalRemoved, recorded: Recorded) -> State:
    gone = set(event.removed)
    goals = {goal_id: goal for goal_id, goal in state.goals.items() if goal_id not in gone}
    for goal_id in event.closed:
        goals[goal_id] = of_goals.cancelled(goals[goal_id], recorded.at)
    for goal_id in event.loosened:
        goals[goal_id] = replace(goals[goal_id], parent_id=None, updated_at=recorded.at)
    return replace(state, goals=_rolled_up(goals, event.rolled_up, recorded.at))


def _message_added(state: State, event: MessageAdded, recorded: Recorded) -> State:
    owed = state.owed
    if event.id in owed:
        owed = {reply_id: reply for reply_id, reply in owed.items() if reply_id != event.id}
    if event.reply_id is not None:
        owed = {**owed, event.reply_id: OwedReply(event.reply_id, event.id, recorded.at)}
    messages, characters = _newest(state, message(event, recorded.seq, recorded.at), owed)
    spent = _spent(state, event.tokens, recorded.at)
    return replace(state, messages=messages, characters=characters, owed=owed, spent=spent)


def _thread_read(state: State, event: ThreadRead, _: Recorded) -> State:
    return replace(state, read=event.through)


def _pauses_learned(state: State, event: PausesLearned, _: Recorded) -> State:
    return replace(state, pauses=event.seconds)


def _summary_made(state: State, event: SummaryMade, recorded: Recorded) -> State:
    spent = _spent(state, event.tokens, recorded.at)
    return replace(state, summary=Summary(event.text, event.through), spent=spent)


def _spent(state: State, tokens: int, at: datetime) -> Spent:
    if not tokens or state.profile is None:
        return state.spent
    return state.spent.with_more(local_day(at, state.profile.tz), tokens)


def _tool_used(state: State, event: ToolUsed, _: Recorded) -> State:
    reply = state.owed[event.reply_id]
    step = ToolStep(event.call_id, event.tool, event.arguments, event.result)
    return replace(state, owed={**state.owed, reply.reply_id: replace(reply, steps=(*reply.steps, step))})


def _reply_retried(state: State, event: ReplyRetried, recorded: Recorded) -> State:
    reply = OwedReply(event.reply_id, event.message_id, recorded.at)
    return replace(state, owed={**state.owed, reply.reply_id: reply})


def _action_proposed(state: State, event: ActionProposed, recorded: Recorded) -> State:
    return _acted(state, proposed(event, recorded.at))


def _action_taken(state: State, event: ActionTaken, recorded: Recorded) -> State:
    return _acted(state, taken(event, recorded.at, state.goals[event.goal_id]))


def _action_resolved(state: State, event: ActionResolved, _: Recorded) -> State:
    return _acted(state, replace(state.actions[event.action_id], state=event.outcome, problem=event.problem))


def _acted(state: State, action: Action) -> State:
    return replace(state, actions=held({**state.actions, action.id: action}))


def _in_background(state: State, event: Event, recorded: Recorded) -> State:
    return replace(state, background=exports.folded(state.background, event, recorded.at))


EVENTS: dict[type[Event], Callable[[State, Any, Recorded], State]] = {
    AccountOpened: _account_opened,
    ProfileChanged: _profile_changed,
    GoalCreated: _goal_created,
    GoalChanged: _goal_changed,
    GoalProgressed: _goal_progressed,
    GoalCompleted: _goal_completed,
    GoalReopened: _goal_reopened,
    GoalRemoved: _goal_removed,
    MessageAdded: _message_added,
    ThreadRead: _thread_read,
    PausesLearned: _pauses_learned,
    SummaryMade: _summary_made,
    ToolUsed: _tool_used,
    ReplyRetried: _reply_retried,
    ActionProposed: _action_proposed,
    ActionTaken: _action_taken,
    ActionResolved: _action_resolved,
    **dict.fromkeys(exports.FOLDS, _in_background),
}


def _without(activity: Activity, taken: date | None) -> Activity:
    return activity if taken is None else taken_back(activity, taken)


def _with(goals: Mapping[str, Goal], goal: Goal, changes: Sequence[RolledUp], at: datetime) -> dict[str, Goal]:
    return _rolled_up({**goals, goal.id: goal}, changes, at)


def _rolled_up(goals: dict[str, Goal], changes: Sequence[RolledUp], at: datetime) -> dict[str, Goal]:
    for change in changes:
        goals[change.id] = of_goals.rolled_up(goals[change.id], change, at)
    return goals


def _newest(state: State, newest: Message, owed: Mapping[str, OwedReply]) -> tuple[tuple[bytes, ...], int]:
    """The messages with one more, bounded, and their characters; what an owed reply still needs is kept."""
    messages, characters, dropped = state.messages, state.characters + len(newest.text), 0
    kept, kept_characters = list[bytes](), 0
    while len(messages) > dropped and (len(messages) - dropped >= HISTORY or characters > HISTORY_CHARACTERS):
        one = unpacked(messages[dropped])
        characters -= len(one.text)
        if owed and any(reply.message_id == one.id for reply in owed.values()):
            kept.append(messages[dropped])
            kept_characters += len(one.text)
        dropped += 1
    return (*kept, *messages[dropped:], packed(newest)), characters + kept_characters
