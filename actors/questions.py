"""What doors ask a session without changing it: attaching devices, what was missed, who the user is."""

from collections.abc import Sequence

import msgspec

from actors.domain.actions import Action
from actors.domain.conversation import Reading
from actors.domain.exports import Export
from actors.domain.goals import Goal
from actors.domain.presence import Presence
from actors.domain.profile import Profile
from actors.events import Recorded


class Attach(msgspec.Struct, frozen=True):
    """A device's connection wants this session's events. Answered with `Attached`; attaching again renews.

    Texts of replies in progress follow as one `reply.delta` with index 0 to this connection.
    """

    connection: str
    device: str


class Attached(msgspec.Struct, frozen=True):
    """`log` is the log's own id, changed only by a restore; `seq` is its head."""

    log: str
    seq: int


class Renew(msgspec.Struct, frozen=True):
    """All connections the gateway of `node` still holds for this session; answered with `Attached`.

    `devices` are theirs, in the same order, and `ages` the seconds since they connected. Those it does not name are
    gone; those of other nodes lapse 30 s after they were named last. `seq` is the newest
    event any of them was given: a session that knows less has not seen what another owner wrote.
    """

    node: str
    connections: Sequence[str]
    devices: Sequence[str] = ()
    ages: Sequence[float] = ()
    seq: int = 0
    away: Sequence[str] = ()
    """Those of the connections whose user is not looking."""


class Renewal(msgspec.Struct, frozen=True, array_like=True):
    """One user's part of a batch: what `Renew` says, but its node."""

    user_id: str
    connections: Sequence[str]
    devices: Sequence[str]
    ages: Sequence[float]
    seq: int
    away: Sequence[str] = ()


class RenewAll(msgspec.Struct, frozen=True):
    """What the gateway of `node` holds for sessions at the node that is asked: one question for all of them.

    Answered with `Renewed`.
    """

    node: str
    users: Sequence[Renewal]


class Renewed(msgspec.Struct, frozen=True):
    """The heads of the logs in the order of the question; None for whoever is not awake there, or did not answer.

    `log` is the log's own id, empty if nobody answered.
    """

    log: str
    heads: Sequence[int | None]


class SetAway(msgspec.Struct, frozen=True):
    """Whether the user looks at the device of this connection."""

    connection: str
    away: bool


class ShowPresences(msgspec.Struct, frozen=True):
    """Who of these is there, as `asker` may know? Asked of a node, and answered with `PresencesShown`."""

    asker: str
    users: Sequence[str]


class PresencesShown(msgspec.Struct, frozen=True):
    """`hidden` are those that the asker may know nothing of; of whoever is not named nothing is known there."""

    shown: Sequence[Presence]
    hidden: Sequence[str]


class Detach(msgspec.Struct, frozen=True):
    """A connection has gone."""

    connection: str


class Missed(msgspec.Struct, frozen=True):
    """Which events came after `since`? Answered with `Events`, at most `limit` (1-500) of them."""

    since: int
    limit: int = 500


class Events(msgspec.Struct, frozen=True):
    """`seq` is the head of the log, `more` whether events between the last one given and the head remain."""

    events: Sequence[Recorded]
    seq: int
    more: bool


class ShowProfile(msgspec.Struct, frozen=True):
    """Who is this user? Answered with `Shown`; refused with NotFound before the account was opened."""


class Shown(msgspec.Struct, frozen=True):
    profile: Profile
    seq: int


class ShowGoal(msgspec.Struct, frozen=True):
    """How does this goal stand? Answered with `GoalShown`; refused with NotFound."""

    goal_id: str


class GoalShown(msgspec.Struct, frozen=True):
    goal: Goal
    seq: int


class ShowActions(msgspec.Struct, frozen=True):
    """What of the coach's actions is open: waits for the user's word, or can be undone. Answered with `ActionsShown`."""


class ActionsShown(msgspec.Struct, frozen=True):
    """The newest first."""

    actions: Sequence[Action]
    seq: int


class ShowThreads(msgspec.Struct, frozen=True):
    """How far has the user read? Answered with `ThreadsShown`."""


class ThreadsShown(msgspec.Struct, frozen=True):
    threads: Sequence[Reading]
    seq: int


class Typed(msgspec.Struct, frozen=True):
    """The user types at the device of this connection, or no longer does: their other devices are told."""

    connection: str
    thread: str
    on: bool


class TakeOps(msgspec.Struct, frozen=True):
    """What a device did offline is about to come, order by order. Raises RateLimited."""


class ModelCame(msgspec.Struct, frozen=True):
    """The language model that was on its way can be asked now: whoever was left waiting is answered again."""


class Wake(msgspec.Struct, frozen=True):
    """Nothing but a reason to wake: what is owed is begun on every wake."""


class OfferCall(msgspec.Struct, frozen=True):
    """A device offers a peer connection: for a new call, or, with its id, for the one there is.

    Answered with `CallAnswered`. Raises NoCalls, CallBusy, CallNotFound, RateLimited, and what the offer is refused with.
    """

    sdp: str
    take_over: bool = False
    call_id: str | None = None
    device: str = ""


class CallAnswered(msgspec.Struct, frozen=True):
    """`sdp` is the answer to the offer."""

    call_id: str
    sdp: str


class AddCandidate(msgspec.Struct, frozen=True):
    """A network address of the newest peer of a call. None: there are no more. Raises CallNotFound, BadCandidate."""

    call_id: str
    candidate: str | None
    sdp_mid: str | None
    sdp_mline_index: int | None


class EndCall(msgspec.Struct, frozen=True):
    """The user hangs up. Raises CallNotFound."""

    call_id: str


class ShowExport(msgspec.Struct, frozen=True):
    """How does this export stand? Answered with `ExportShown`; refused with NotFound."""

    export_id: str


class ExportShown(msgspec.Struct, frozen=True):
    export: Export
    seq: int


class JobEnded(msgspec.Struct, frozen=True):
    """A worker is done with a job; should this be lost, who owes it looks again by itself."""

    job_id: str


class JobProgressed(msgspec.Struct, frozen=True):
    """How far a worker has come with a job."""

    job_id: str
    done: int
    total: int
