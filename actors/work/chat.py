"""The conversation with the coach: messages taken, replies that end, and those that are made again."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from actors.commands import FinishReply, LearnPauses, ReadThread, RetryReply, SayMessage, SendMessage, StopReply
from actors.domain.conversation import COACH, MAX_OWED, OFFLINE, Message, OwedReply, Reading
from actors.domain.refusals import Answered, Conflict, Invalid, NoReply, NotFound, ReplyPending
from actors.domain.texts import saying
from actors.events import MessageAdded, PausesLearned, ReplyRetried, ThreadRead
from actors.journal.journaled import Decided, Stamp
from actors.runtime.ids import derived

Owed = Mapping[str, OwedReply]
WORTH_LEARNING: Final = 0.01


class Sent(msgspec.Struct, frozen=True):
    """The user's message is kept; the coach's will have the id `reply_id`."""

    message_id: str
    reply_id: str
    seq: int


class Ended(msgspec.Struct, frozen=True):
    """A reply has ended: `message_id` is the coach's message."""

    message_id: str
    seq: int


class Retried(msgspec.Struct, frozen=True):
    """The user's message is answered again: the coach's will have the id `reply_id`."""

    message_id: str
    reply_id: str


def take_message(owed: Owed, command: SendMessage | SayMessage, stamp: Stamp, author_id: str) -> Decided:
    """Keep what the user writes or says; a reply is owed from now on. Raises ReplyPending, Invalid."""
    if len(owed) >= MAX_OWED:
        raise ReplyPending(retry_after_ms=2000)
    saying(command.text, "text")
    message_id = stamp.new_id()
    reply_id = derived(message_id, "reply")
    event = MessageAdded(
        id=message_id,
        role="user",
        author_id=author_id,
        text=command.text,
        thread=COACH,
        spoken=isinstance(command, SayMessage),
        reply_id=reply_id,
        attachments=() if isinstance(command, SayMessage) else command.attachments,
    )
    return Decided([event], Sent(message_id, reply_id, stamp.seq))


def learn_pauses(before: float | None, command: LearnPauses) -> Decided:
    """What moves by less than 10 ms is not worth a line in the log."""
    if before is not None and abs(before - command.seconds) < WORTH_LEARNING:
        return Decided((), None)
    return Decided([PausesLearned(command.seconds)], None)


def retry(history: Sequence[Message], owed: Owed, command: RetryReply, stamp: Stamp) -> Decided:
    """A reply is owed again for a message whose last one failed, was stopped, or came from the offline coach.

    While one is owed the answer is that one. Raises NotFound for what is not among the newest messages, Answered,
    ReplyPending.
    """
    message = _asked(history, command.message_id)
    for reply in owed.values():
        if reply.message_id == message.id:
            return Decided((), Retried(message.id, reply.reply_id))
    answers = [one for one in history if one.reply_to == message.id]
    if answers and answers[-1].state == "complete" and answers[-1].answered_by != OFFLINE:
        raise Answered
    if len(owed) >= MAX_OWED:
        raise ReplyPending(retry_after_ms=2000)
    event = ReplyRetried(message.id, stamp.new_id())
    return Decided([event], Retried(message.id, event.reply_id))


def read(history: Sequence[Message], through: int, command: ReadThread, stamp: Stamp) -> Decided:
    """The mark moves on to the newest message there is up to that seq. Raises Invalid for one that is still to come."""
    if command.seq >= stamp.seq:
        raise Invalid(fields={"seq": "is not in the log yet"})
    newest = max((message.seq for message in history if message.seq <= command.seq), default=0)
    if newest <= through:
        return Decided((), reading(history, through))
    return Decided([ThreadRead(command.thread, newest)], reading(history, newest))


def reading(history: Sequence[Message], through: int) -> Reading:
    """What of the conversation with the coach is read."""
    unread = sum(message.role != "user" and message.seq > through for message in history)
    return Reading(COACH, through, unread)


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
        tokens=command.tokens,
        spoken=command.spoken,
        estimated=command.estimated,
    )
    return Decided([event], Ended(reply.reply_id, stamp.seq))


def stopped(
    owed: Owed, command: StopReply, said: str, stamp: Stamp, answered_by: str | None = None, tokens: int = 0
) -> Decided:
    """End a reply with what was said of it so far ("" before it began), at so many tokens. Raises NoReply.

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
        tokens=tokens,
    )
    return Decided([event], Ended(reply.reply_id, stamp.seq))


def owed_reply(owed: Owed, command: StopReply) -> OwedReply:
    """The reply that is named by its own id or by that of the message it answers. Raises NoReply."""
    for reply in owed.values():
        if command.message_id in {reply.reply_id, reply.message_id}:
            return reply
    raise NoReply


def _asked(history: Sequence[Message], message_id: str) -> Message:
    """The user's message that is named by its own id or by that of a reply to it."""
    named = {message.id: message for message in history}
    found = named.get(message_id)
    if found is not None and found.reply_to is not None:
        found = named.get(found.reply_to)
    if found is None or found.role != "user":
        raise NotFound
    return found


def _owed(owed: Owed, reply_id: str) -> OwedReply:
    try:
        return owed[reply_id]
    except KeyError:
        raise Conflict from None
