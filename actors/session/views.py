"""What apps are shown of a message and of an action, by the event that told of it."""

from datetime import datetime

from actors.domain.actions import Action
from actors.domain.conversation import Message
from actors.domain.goals import Goal
from actors.events import ActionProposed, ActionTaken, MessageAdded


def message(event: MessageAdded, seq: int, at: datetime) -> Message:
    """The message as apps see it."""
    return Message(
        id=event.id,
        seq=seq,
        thread=event.thread,
        role=event.role,
        author_id=event.author_id,
        text=event.text,
        created_at=at,
        spoken=event.spoken,
        state=event.state,
        answered_by=event.answered_by,
        reply_to=event.reply_to,
        problem=event.problem,
        attachments=event.attachments,
        estimated=event.estimated,
    )


def proposed(event: ActionProposed, at: datetime) -> Action:
    """The action as apps see it."""
    return Action(
        id=event.action_id,
        reply_id=event.reply_id,
        tool=event.tool,
        command=event.command,
        summary=event.summary,
        goal_id=event.goal_id,
        state="pending",
        created_at=at,
        expires_at=event.expires_at,
        body=event.body,
        grounds=event.grounds,
    )


def taken(event: ActionTaken, at: datetime, after: Goal) -> Action:
    """The action as apps see it; `after` is the goal as the events before left it."""
    return Action(
        id=event.action_id,
        reply_id=event.reply_id,
        tool=event.tool,
        command=event.command,
        summary=event.summary,
        goal_id=event.goal_id,
        state="done",
        created_at=at,
        undo_shown_until=event.undo_shown_until,
        before=event.before,
        after=after,
        day=event.day,
    )
