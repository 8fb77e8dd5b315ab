"""What has happened: frozen Structs in the past tense. The log and the apps see these.

An event lives for years: a field is only ever added with a default; any other change raises `version` and adds an
upcast from the version before to `UPCASTS`.
"""

from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from actors.domain.actions import Outcome
from actors.domain.conversation import COACH, MessageState, Role
from actors.domain.goals import Goal, Metric, RolledUp
from actors.domain.jobs import JobKind
from actors.domain.private import PrivateText
from actors.domain.profile import Preferences

Time = Annotated[datetime, Meta(tz=True)]


class Event(msgspec.Struct, frozen=True):
    """Something that has happened to one address."""

    type: ClassVar[str]
    version: ClassVar[int] = 1


class AccountOpened(Event, frozen=True):
    type = "account.opened"
    user_id: str
    email: PrivateText
    name: PrivateText
    tz: str
    language: str


class ProfileChanged(Event, frozen=True):
    type = "profile.changed"
    name: PrivateText | UnsetType = UNSET
    tz: str | UnsetType = UNSET
    preferences: Preferences | UnsetType = UNSET
    email: PrivateText | UnsetType = UNSET


class GoalCreated(Event, frozen=True):
    type = "goal.created"
    goal: Goal
    rolled_up: tuple[RolledUp, ...] = ()


class GoalChanged(Event, frozen=True):
    """`taken_back` is the user's local day of the progress that this takes back."""

    type = "goal.changed"
    goal: Goal
    rolled_up: tuple[RolledUp, ...] = ()
    taken_back: date | None = None


class GoalProgressed(Event, frozen=True):
    """`day` is the user's local date when it happened, `tz` the zone it was read in.

    `occurred_at` is when that was, if it is told later than it happened.
    """

    type = "goal.progressed"
    goal_id: str
    progress: float
    day: date
    tz: str
    metric: Metric | None = None
    note: PrivateText | None = None
    rolled_up: tuple[RolledUp, ...] = ()
    occurred_at: Time | None = None


class GoalCompleted(Event, frozen=True):
    type = "goal.completed"
    goal_id: str
    day: date
    tz: str
    rolled_up: tuple[RolledUp, ...] = ()
    occurred_at: Time | None = None


class GoalReopened(Event, frozen=True):
    """`taken_back` is the user's local day of the completion, if that is taken back as if it had never been."""

    type = "goal.reopened"
    goal_id: str
    progress: float
    rolled_up: tuple[RolledUp, ...] = ()
    taken_back: date | None = None


class GoalRemoved(Event, frozen=True):
    """`closed` are the descendants that were cancelled instead of removed; `removed` includes the goal itself.

    `loosened` are the parts of the removed goal that stay: they have no parent from now on.
    """

    type = "goal.removed"
    goal_id: str
    removed: tuple[str, ...]
    closed: tuple[str, ...] = ()
    loosened: tuple[str, ...] = ()
    rolled_up: tuple[RolledUp, ...] = ()


class MessageAdded(Event, frozen=True):
    """A message of the user or of the coach. A user's message owes a reply, `reply_id`, which ends the debt."""

    type = "message.added"
    id: str
    role: Role
    author_id: str
    text: PrivateText
    thread: str = COACH
    spoken: bool = False
    state: MessageState = "complete"
    answered_by: str | None = None
    reply_to: str | None = None
    reply_id: str | None = None
    problem: str | None = None
    attachments: tuple[str, ...] = ()
    tokens: int = 0
    estimated: bool = False


class PausesLearned(Event, frozen=True):
    """How long the user pauses within a turn of speaking, in seconds."""

    type = "pauses.learned"
    seconds: float


class ThreadRead(Event, frozen=True):
    """The user has read a thread up to the message at seq `through`, on whichever device."""

    type = "thread.read"
    thread: str
    through: int


class SummaryMade(Event, frozen=True):
    """The coach's own notes on the conversation up to the user's message at seq `through`; newer ones replace them."""

    type = "summary.made"
    text: PrivateText
    through: int
    tokens: int = 0


class ToolUsed(Event, frozen=True):
    type = "tool.used"
    reply_id: str
    call_id: str
    tool: str
    arguments: PrivateText
    result: PrivateText


class ReplyRetried(Event, frozen=True):
    """The user's message `message_id` is answered again: the reply `reply_id` is owed for it."""

    type = "reply.retried"
    message_id: str
    reply_id: str


class ActionProposed(Event, frozen=True):
    """The coach asked for something that needs the user's word: nothing has happened until it is confirmed."""

    type = "action.proposed"
    action_id: str
    reply_id: str
    tool: str
    command: str
    body: PrivateText
    summary: PrivateText
    goal_id: str
    grounds: str
    expires_at: Time


class ActionTaken(Event, frozen=True):
    """The coach did something at once, told by the event before; `before` is the goal as it was until then.

    `day` is the user's local day it counts for, where it counts for one.
    """

    type = "action.taken"
    action_id: str
    reply_id: str
    tool: str
    command: str
    summary: PrivateText
    goal_id: str
    undo_shown_until: Time
    before: Goal | None = None
    day: date | None = None


class ActionResolved(Event, frozen=True):
    """`problem` is the code of what a confirmed action was refused with when it failed."""

    type = "action.resolved"
    action_id: str
    outcome: Outcome
    problem: str | None = None


class ExportRequested(Event, frozen=True):
    """The user wants all that is known of them; the job that makes the file is owed from now on."""

    type = "export.requested"
    export_id: str


class ExportReady(Event, frozen=True):
    """The file can be fetched until then. It is kept as copy `copy` in `parts` pieces."""

    type = "export.ready"
    export_id: str
    size: int
    sha256: str
    expires_at: Time
    copy: int
    parts: int


class ExportExpired(Event, frozen=True):
    """The file can't be fetched any more; removing it is owed from now on."""

    type = "export.expired"
    export_id: str


class ExportRemoved(Event, frozen=True):
    """Nothing of the file is kept."""

    type = "export.removed"
    export_id: str


class JobFailed(Event, frozen=True):
    """A job failed every time and is not tried again; `subject` is the id of what it was about, `problem` a stable code."""

    type = "job.failed"
    job_id: str
    kind: JobKind
    subject: str
    problem: str


Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""From the builtins of one version of an event to those of the next."""

TYPES: dict[str, type[Event]] = {
    event.type: event
    for event in (
        AccountOpened,
        ProfileChanged,
        GoalCreated,
        GoalChanged,
        GoalProgressed,
        GoalCompleted,
        GoalReopened,
        GoalRemoved,
        MessageAdded,
        ThreadRead,
        PausesLearned,
        SummaryMade,
        ToolUsed,
        ReplyRetried,
        ActionProposed,
        ActionTaken,
        ActionResolved,
        ExportRequested,
        ExportReady,
        ExportExpired,
        ExportRemoved,
        JobFailed,
    )
}
UPCASTS: dict[tuple[str, int], Upcast] = {}


class Recorded(msgspec.Struct, frozen=True):
    """An event as apps see it: with its place in the log. `id` is the same on every delivery."""

    v: int
    seq: int
    id: str
    at: Time
    type: str
    data: Event


def recorded(address: str, seq: int, at: datetime, event: Event) -> Recorded:
    """The event at position `seq` of the log of `address`."""
    return Recorded(event.version, seq, f"{_origin(address)}{seq:012x}", at, event.type, event)


@lru_cache(maxsize=10_000)
def _origin(address: str) -> str:
    """The constant part of an address's event ids: a UUIDv8 (RFC 9562, section 5.8) that ends in the seq."""
    text = blake2b(address.encode(), digest_size=8).hexdigest()
    return f"{text[:8]}-{text[8:12]}-8{text[12:15]}-8{text[13:16]}-"
