"""What the coach asks its tools for, and the user's word on it: confirmed, declined, undone, or too late."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from actors.commands import (
    NAMES,
    PUBLIC,
    CallTool,
    ChangeGoal,
    Command,
    CompleteGoal,
    ConfirmAction,
    CreateGoal,
    DeclineAction,
    ExpireAction,
    MoveGoal,
    RecordProgress,
    RemoveGoal,
    ReopenGoal,
    UndoAction,
)
from actors.domain import roll_up
from actors.domain.actions import MAX_PENDING, UNDO_SHOWN, WAITS, Action, Outcome
from actors.domain.conversation import MAX_STEPS, OwedReply
from actors.domain.goals import Goal
from actors.domain.refusals import (
    ActionChanged,
    ActionDecided,
    ActionExpired,
    Conflict,
    NotFound,
    NothingToUndo,
    TooManyActions,
    TooManySteps,
    UnknownCommand,
)
from actors.events import (
    ActionProposed,
    ActionResolved,
    ActionTaken,
    Event,
    GoalChanged,
    GoalCompleted,
    GoalProgressed,
    GoalRemoved,
    GoalReopened,
    ToolUsed,
)
from actors.journal.journaled import Decided, Stamp
from actors.runtime.envelope import Refused
from actors.work import goals as work_goals
from actors.work.summaries import summary
from actors.work.tools import pending_result, result_of

AT_ONCE: Final = (CreateGoal, RecordProgress, CompleteGoal)
"""What a tool may do without asking: it adds, and can be undone. Everything else waits for the user's word."""


class Held(msgspec.Struct, frozen=True):
    """The slices of a session's state that tools and actions work on; `waits` is how long a proposal holds."""

    goals: work_goals.Goals
    owed: Mapping[str, OwedReply]
    actions: Mapping[str, Action]
    tz: str
    waits: timedelta = WAITS


class ToolResult(msgspec.Struct, frozen=True):
    """What the model is told about its call, as JSON text."""

    result: str


class ActionAnswer(msgspec.Struct, frozen=True):
    """The action as it is now."""

    action: Action


def use_tool(held: Held, call: CallTool, stamp: Stamp) -> Decided:
    """What the coach asked for, or the proposal of it, and the record of the call: together or not at all.

    Raises Conflict when the reply is not owed (any more), TooManySteps, TooManyActions, and whatever the command
    itself raises.
    """
    reply = held.owed.get(call.reply_id)
    if reply is None:
        raise Conflict
    if len(reply.steps) >= MAX_STEPS:
        raise TooManySteps
    events, result = (_taken if isinstance(call.command, AT_ONCE) else _proposed)(held, call, stamp)
    used = ToolUsed(call.reply_id, call.call_id, call.name, call.arguments, result)
    return Decided([*events, used], ToolResult(result))


def confirm(held: Held, command: ConfirmAction, stamp: Stamp) -> Decided:
    """Do what was proposed, as the user. What it rests on has changed, or it is refused: the action has failed.

    Confirmed again, the answer is the same. Raises NotFound, ActionExpired, ActionDecided.
    """
    action = _own(held, command.action_id)
    if action.state in {"confirmed", "failed"}:
        return Decided((), ActionAnswer(action))
    _check_pending(action, stamp)
    try:
        done = _carried_out(held, action, stamp)
    except Refused as refused:
        return _resolved(action, "failed", problem=refused.code)
    return _resolved(action, "confirmed", done.events)


def decline(held: Held, command: DeclineAction, stamp: Stamp) -> Decided:
    """Nothing happens. Raises NotFound, ActionExpired, ActionDecided."""
    action = _own(held, command.action_id)
    if action.state == "declined":
        return Decided((), ActionAnswer(action))
    _check_pending(action, stamp)
    return _resolved(action, "declined")


def undo(held: Held, command: UndoAction, stamp: Stamp) -> Decided:
    """Take back what was done at once, however long ago. Raises NotFound, NothingToUndo, ActionChanged."""
    action = _own(held, command.action_id)
    if action.state == "undone":
        return Decided((), ActionAnswer(action))
    if action.state != "done" or action.after is None:
        raise NothingToUndo
    undone = UNDO[action.command](held, action, action.after, stamp)
    return _resolved(action, "undone", [_taking_back(event, action.day) for event in undone.events])


def expire(held: Held, command: ExpireAction, stamp: Stamp) -> Decided:
    """Nobody said anything. Raises NotFound, ActionDecided when somebody did."""
    action = _own(held, command.action_id)
    if action.state != "pending" or not _is_late(action, stamp):
        raise ActionDecided
    return _resolved(action, "expired")


def _taken(held: Held, call: CallTool, stamp: Stamp) -> tuple[list[Event], str]:
    done = work_goals.COMMANDS[type(call.command)](held.goals, call.command, stamp, held.tz)
    goal: Goal = done.answer.goal
    said = summary(held.goals, call.command, done)
    taken = ActionTaken(
        action_id=stamp.new_id(),
        reply_id=call.reply_id,
        tool=call.name,
        command=NAMES[type(call.command)],
        summary=said,
        goal_id=goal.id,
        undo_shown_until=stamp.at + UNDO_SHOWN,
        before=held.goals.get(goal.id),
        day=next((one.day for one in done.events if isinstance(one, GoalProgressed | GoalCompleted)), None),
    )
    return [*done.events, taken], result_of(done.answer, said)


def _proposed(held: Held, call: CallTool, stamp: Stamp) -> tuple[list[Event], str]:
    """What would be refused now is refused at once; what is proposed already is not proposed twice."""
    goal_id: str = getattr(call.command, "goal_id", "")
    asked = _decided(held, call.command, stamp)
    if not asked.events:
        return [], result_of(asked.answer)
    name, body = NAMES[type(call.command)], msgspec.json.encode(call.command).decode()
    said = summary(held.goals, call.command, asked)
    waiting = [action for action in held.actions.values() if action.state == "pending" and not _is_late(action, stamp)]
    if any((one.command, one.body) == (name, body) for one in waiting):
        return [], pending_result(said)
    if len(waiting) >= MAX_PENDING:
        raise TooManyActions
    proposed = ActionProposed(
        action_id=stamp.new_id(),
        reply_id=call.reply_id,
        tool=call.name,
        command=name,
        body=body,
        summary=said,
        goal_id=goal_id,
        grounds=_grounds(held.goals[goal_id], call.command, asked),
        expires_at=stamp.at + held.waits,
    )
    return [proposed], pending_result(said)


def _carried_out(held: Held, action: Action, stamp: Stamp) -> Decided:
    """Raises what the command is refused with; ActionChanged when the user has read something that is so no more."""
    try:
        command = msgspec.json.decode(action.body or "", type=PUBLIC[action.command])
    except (msgspec.DecodeError, KeyError):  # proposed by a program of another age
        raise UnknownCommand from None
    decided = _decided(held, command, stamp)
    if _grounds(held.goals[action.goal_id], command, decided) != action.grounds:
        raise ActionChanged
    return decided


def _decided(held: Held, command: Command, stamp: Stamp) -> Decided:
    decide = work_goals.COMMANDS.get(type(command))
    if decide is None:
        raise UnknownCommand
    return decide(held.goals, command, stamp, held.tz)


def _grounds(before: Goal, command: Command, decided: Decided) -> str:
    """A digest of what the user's word rests on: what would be overwritten, and all that would go."""
    facts: Any = None
    match command:
        case ChangeGoal():
            given = {field for field, value in msgspec.structs.asdict(command).items() if value is not UNSET}
            facts = {field: getattr(before, field) for field in sorted(given - {"goal_id"})}
        case MoveGoal():
            facts = before.parent_id
        case RemoveGoal():
            (removed,) = (event for event in decided.events if isinstance(event, GoalRemoved))
            facts = (before.title, before.status, sorted(removed.removed), sorted(removed.closed))
    return blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()


def _undo_creation(held: Held, _: Action, after: Goal, stamp: Stamp) -> Decided:
    """As long as the goal is as it was made, and has no parts."""
    if held.goals.get(after.id) != after or roll_up.descendants(held.goals, after.id):
        raise ActionChanged
    return work_goals.remove(held.goals, RemoveGoal(after.id), stamp)


def _undo_progress(held: Held, action: Action, after: Goal, stamp: Stamp) -> Decided:
    """As long as nothing else was recorded since."""
    goal, before = held.goals.get(after.id), action.before
    if goal is None or before is None or goal.status != "open":
        raise ActionChanged
    if (goal.own_progress, goal.metric) != (after.own_progress, after.metric):
        raise ActionChanged
    return work_goals.restore(held.goals, before, stamp)


def _undo_completion(held: Held, _: Action, after: Goal, stamp: Stamp) -> Decided:
    """As long as it is this completion that holds."""
    goal = held.goals.get(after.id)
    if goal is None or goal.status != "done" or goal.completed_at != after.completed_at:
        raise ActionChanged
    return work_goals.reopen(held.goals, ReopenGoal(goal.id), stamp)


UNDO: dict[str, Callable[[Held, Action, Goal, Stamp], Decided]] = {
    NAMES[CreateGoal]: _undo_creation,
    NAMES[RecordProgress]: _undo_progress,
    NAMES[CompleteGoal]: _undo_completion,
}
"""How what is done at once is taken back, by the command's name."""


def _taking_back(event: Event, day: date | None) -> Event:
    """What was recorded by mistake counts for no day."""
    return replace(event, taken_back=day) if isinstance(event, GoalChanged | GoalReopened) else event


def _own(held: Held, action_id: str) -> Action:
    try:
        return held.actions[action_id]
    except KeyError:
        raise NotFound from None


def _check_pending(action: Action, stamp: Stamp) -> None:
    if action.state == "expired" or (action.state == "pending" and _is_late(action, stamp)):
        raise ActionExpired
    if action.state != "pending":
        raise ActionDecided(fields={"action_id": f"is {action.state}"})


def _is_late(action: Action, stamp: Stamp) -> bool:
    return action.expires_at is not None and action.expires_at <= stamp.at


def _resolved(action: Action, outcome: Outcome, events: Any = (), problem: str | None = None) -> Decided:
    now = replace(action, state=outcome, problem=problem)
    return Decided([*events, ActionResolved(action.id, outcome, problem)], ActionAnswer(now))
