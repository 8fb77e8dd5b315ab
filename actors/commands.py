"""What may be asked for: frozen Structs in the imperative, with their bounds.

`PUBLIC` is the one table of names that apps may send; whatever is not in it is not dispatched.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.domain.conversation import COACH, MessageState, Text
from actors.domain.goals import Amount, Cascade, Effort, Kind, Metric, Note, Percent, Title
from actors.domain.jobs import JobOutcome
from actors.domain.life_areas import Area
from actors.domain.private import PrivateText, private
from actors.domain.profile import Email, Language, Name, Preferences, Zone

Id = Annotated[str, Meta(min_length=36, max_length=36, pattern=r"^[0-9a-f-]{36}$")]


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something an author asks for."""


class OpenAccount(Command, frozen=True):
    """The first command of every session, sent by the door that registered the user."""

    user_id: Id
    email: Email
    name: Name
    tz: Zone = "UTC"
    language: Language = "en"


class ChangeMail(Command, frozen=True):
    """Sent by the door at which the new address was confirmed."""

    email: Email


class ChangeProfile(Command, frozen=True):
    name: Name | UnsetType = UNSET
    tz: Zone | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    """Short for `preferences` with only the language changed; wins over the one in there."""
    preferences: Preferences | UnsetType = UNSET


class CreateGoal(Command, frozen=True):
    title: Title
    parent_id: Id | None = None
    kind: Kind = "goal"
    area: Area | None = None
    effort: Effort | None = None
    due: date | None = None
    metric: Metric | None = None


class ChangeGoal(Command, frozen=True):
    goal_id: Id
    title: Title | UnsetType = UNSET
    area: Area | UnsetType | None = UNSET
    effort: Effort | UnsetType | None = UNSET
    due: date | UnsetType | None = UNSET
    metric: Metric | UnsetType | None = UNSET


class MoveGoal(Command, frozen=True):
    """Hang a goal, with all its parts, under another one; None makes it stand on its own."""

    goal_id: Id
    parent_id: Id | None


class RecordProgress(Command, frozen=True):
    """Exactly one of: `progress` in percent, `amount` where the metric now stands, `add` to where it stands."""

    goal_id: Id
    progress: Percent | None = None
    amount: Amount | None = None
    add: Amount | None = None
    note: Note | None = None


class CompleteGoal(Command, frozen=True):
    goal_id: Id


class ReopenGoal(Command, frozen=True):
    goal_id: Id


class RemoveGoal(Command, frozen=True):
    goal_id: Id
    cascade: Cascade = "none"


class SendMessage(Command, frozen=True):
    text: Text
    thread: Literal["coach"] = COACH
    attachments: Annotated[tuple[Id, ...], Meta(max_length=10)] = ()


class SayMessage(Command, frozen=True):
    """What the user said in a call; only its session sends this."""

    text: Text


class StopReply(Command, frozen=True):
    """Stop a reply, named by its own id or by the id of the message it answers."""

    message_id: Id


class RetryReply(Command, frozen=True):
    """Have a message answered again, named by its own id or by that of the reply that failed."""

    message_id: Id


class ReadThread(Command, frozen=True):
    """All up to the event with this seq has been read. What was read is never taken back: an older seq changes nothing."""

    seq: Annotated[int, Meta(ge=0)]
    thread: Literal["coach"] = COACH


class ConfirmAction(Command, frozen=True):
    """Do what the coach proposed."""

    action_id: Id


class DeclineAction(Command, frozen=True):
    action_id: Id


class UndoAction(Command, frozen=True):
    """Take back what the coach did at once."""

    action_id: Id


class ExpireAction(Command, frozen=True):
    """Nobody said anything to a proposal in time; only its session sends this."""

    action_id: Id


class CallTool(Command, frozen=True):
    """The coach asks for `command` while it answers; only its session sends this."""

    reply_id: Id
    call_id: Annotated[str, Meta(max_length=200)]
    name: str
    arguments: PrivateText
    command: Command


class FinishReply(Command, frozen=True):
    """The coach has said all it will say; only its session sends this."""

    reply_id: Id
    text: Annotated[str, private(max_length=200_000)]
    state: MessageState
    answered_by: str
    problem: str | None = None
    tokens: int = 0
    """What it cost, by the providers' count or by estimate."""
    spoken: bool = False
    estimated: bool = False
    """Of one that was cut: how much of it was heard nobody has confirmed."""


class LearnPauses(Command, frozen=True):
    """What a call has learned of the user's pauses; only their session sends this."""

    seconds: Annotated[float, Meta(ge=0.0, le=10.0)]


class KeepSummary(Command, frozen=True):
    """What the conversation came to up to the user's message at seq `through`; only its session sends this."""

    text: Annotated[str, private(min_length=1, max_length=10_000)]
    through: int
    tokens: int = 0


class RequestExport(Command, frozen=True):
    """Sent by the door at which the user has just proved who they are."""


class ExpireExport(Command, frozen=True):
    """Its time is over; only its session sends this."""

    export_id: Id


class EndJob(Command, frozen=True):
    """What became of a job; only its session sends this."""

    job_id: Id
    outcome: JobOutcome


PUBLIC: dict[str, type[Command]] = {
    "chat.send": SendMessage,
    "chat.stop": StopReply,
    "chat.retry": RetryReply,
    "chat.read": ReadThread,
    "action.confirm": ConfirmAction,
    "action.decline": DeclineAction,
    "action.undo": UndoAction,
    "goal.create": CreateGoal,
    "goal.change": ChangeGoal,
    "goal.move": MoveGoal,
    "goal.progress": RecordProgress,
    "goal.complete": CompleteGoal,
    "goal.reopen": ReopenGoal,
    "goal.remove": RemoveGoal,
    "profile.change": ChangeProfile,
}

NAMES: dict[type[Command], str] = {
    **{command: name for name, command in PUBLIC.items()},
    OpenAccount: "account.open",
    ChangeMail: "account.change_mail",
    ExpireAction: "action.expire",
    CallTool: "reply.tool",
    FinishReply: "reply.finish",
    SayMessage: "call.say",
    LearnPauses: "call.learn",
    KeepSummary: "summary.keep",
    RequestExport: "export.request",
    ExpireExport: "export.expire",
    EndJob: "job.end",
}
