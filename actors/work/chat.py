"""The conversation with the coach: messages taken, replies that end, and the tools used on the way."""

from collections.abc import Mapping

import msgspec

from actors.commands import (
    CallTool,
    Command,
    CompleteGoal,
    CreateGoal,
    FinishReply,
    RecordProgress,
    SendMessage,
    StopReply,
)
from actors.domain.conversation import COACH, MAX_OWED, MAX_STEPS, OwedReply
from actors.domain.refusals import Conflict, Invalid, NoReply, ReplyPending, TooManySteps, UnknownCommand
from actors.events import MessageAdded, ToolUsed
from actors.runtime.ids import derived
from actors.runtime.journaled import Decided, Stamp
from actors.work import goals as work_goals
from actors.work.tools import result_of

Owed = Mapping[str, OwedReply]


class Sent(msgspec.Struct, frozen=True):
    """The user's message is kept; the coach's will have the id `reply_id`."""

    message_id: str
    reply_id: str
    seq: int


class Ended(msgspec.Struct, frozen=True):
    """A reply has ended: `message_id` is the coach's message."""

    message_id: str
    seq: int


class ToolResult(msgspec.Struct, frozen=True):
    """What the model is told about its call, as JSON text."""

    result: str


def take_message(owed: Owed, command: SendMessage, stamp: Stamp, author_id: str) -> Decided:
    """Keep what the user says; a reply is owed from now on. Raises ReplyPending, Invalid."""
    if len(owed) >= MAX_OWED:
        raise ReplyPending(retry_after_ms=2000)
    if not command.text.strip():
        raise Invalid(fields={"text": "must say something"})
    message_id = stamp.new_id()
    reply_id = derived(message_id, "reply")
    event = MessageAdded(
        id=message_id,
        role="user",
        author_id=author_id,
        text=command.text,
        thread=command.thread,
        reply_id=reply_id,
        attachments=command.attachments,
    )
    return Decided([event], Sent(message_id, reply_id, stamp.seq))


def finish_reply(owed: Owed, command: FinishReply, stamp: Stamp) -> Decided:
    """The coach's message, which ends the debt. Raises Conflict when none is owed (any more)."""
    reply = _owed(owed, command.reply_id)
    event = MessageAdded(
        id=reply.reply_id,
        role="coach",
        author_id=COACH,
        text=command.text,
        state=command.state,
        answered_by=command.answered_by,
        reply_to=reply.message_id,
        problem=command.problem,
    )
    return Decided([event], Ended(reply.reply_id, stamp.seq))


def stopped(owed: Owed, command: StopReply, said: str, stamp: Stamp, answered_by: str | None = None) -> Decided:
    """End a reply with what was said of it so far ("" before it began). Raises NoReply.

    `owed_reply` says which reply the command means, so that the session knows whose text to give.
    """
    reply = owed_reply(owed, command)
    event = MessageAdded(
        id=reply.reply_id,
        role="coach",
        author_id=COACH,
        text=said,
        state="interrupted",
        answered_by=answered_by,
        reply_to=reply.message_id,
    )
    return Decided([event], Ended(reply.reply_id, stamp.seq))


def owed_reply(owed: Owed, command: StopReply) -> OwedReply:
    """The reply that is named by its own id or by that of the message it answers. Raises NoReply."""
    for reply in owed.values():
        if command.message_id in {reply.reply_id, reply.message_id}:
            return reply
    raise NoReply


def use_tool(goals: work_goals.Goals, owed: Owed, command: CallTool, stamp: Stamp, tz: str) -> Decided:
    """What the coach asked for and the record of it, together or not at all.

    Raises Conflict when the reply is not owed (any more), TooManySteps, and whatever the command itself raises.
    """
    reply = _owed(owed, command.reply_id)
    if len(reply.steps) >= MAX_STEPS:
        raise TooManySteps
    done = _inner(goals, command.command, stamp, tz)
    result = result_of(done.answer)
    used = ToolUsed(reply.reply_id, command.call_id, command.name, command.arguments, result)
    return Decided([*done.events, used], ToolResult(result))


def _inner(goals: work_goals.Goals, command: Command, stamp: Stamp, tz: str) -> Decided:
    match command:
        case CreateGoal():
            return work_goals.create(goals, command, stamp)
        case RecordProgress():
            return work_goals.progress(goals, command, stamp, tz)
        case CompleteGoal():
            return work_goals.complete(goals, command, stamp, tz)
    raise UnknownCommand


def _owed(owed: Owed, reply_id: str) -> OwedReply:
    try:
        return owed[reply_id]
    except KeyError:
        raise Conflict from None
