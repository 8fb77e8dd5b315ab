"""What the inside needs from outside, one small Protocol each."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from actors.domain.conversation import Message
from actors.domain.goals import Goal, Status
from actors.domain.jobs import Job, JobOutcome, JobResult
from actors.domain.presence import Audience
from actors.domain.rate_limit import Limit
from actors.domain.roles import Role
from actors.events import Recorded

# ── what apps hold open ──────────────────────────────────────────────────────────────────────────────────────────


class Outbox(Protocol):
    """Pushes to all devices of a user. Never waits: each device has a bounded outbox of its own."""

    def push(self, address: str, events: Sequence[Recorded]) -> None:
        """Durable events, in order; a device that misses one pulls it from the log."""

    def signal(self, address: str, type: str, data: Mapping[str, Any], *, connection: str | None = None) -> None:  # noqa: A002 - the wire's word
        """An ephemeral signal to all devices, or to one connection."""

    def reach(self, address: str, nodes: Collection[str]) -> None:
        """The user's devices are at these nodes now."""

    def end(self, address: str, connection: str) -> None:
        """Another connection has taken its place, wherever it is."""

    def leave(self, address: str) -> None:
        """The session has ended here: where its devices are, its gateways look for it anew."""


# ── the coach's model ────────────────────────────────────────────────────────────────────────────────────────────


class Turn(msgspec.Struct, frozen=True):
    """One entry of what the model reads. A tool turn answers `call_id`; `calls` are what the coach asked for."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    calls: tuple["ToolCall", ...] = ()
    call_id: str | None = None


class Tool(msgspec.Struct, frozen=True):
    """A function the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class TextDelta(msgspec.Struct, frozen=True):
    text: str


class ToolCall(msgspec.Struct, frozen=True):
    """A finished call of the model; `arguments` is JSON text exactly as the model wrote it, valid or not."""

    call_id: str
    name: str
    arguments: str


class Usage(msgspec.Struct, frozen=True):
    """What an answer cost by the provider's own count: tokens read and written."""

    tokens: int


Answered = TextDelta | ToolCall | Usage
"""What an answer is made of."""


class ModelFailed(Exception):  # noqa: N818 - one of the ordinary ends of a reply
    """The model gave no whole answer.

    `code`: model.timeout, model.cut (the stream broke off), model.limited (429), model.error (5xx, or a key that is
    not taken), model.loading (it is being fetched or loaded), model.failed and model.declined (a local model that will
    not come), model.refused (any other 4xx), model.unreachable,
    model.endless (more than anyone can read), model.empty (nothing at all).
    """

    def __init__(self, code: str, *, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class LanguageModel(Protocol):
    """A chat model behind the OpenAI protocol."""

    @property
    def name(self) -> str: ...

    def answer(self, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[Answered, None]:
        """Stream one answer: text as it comes, tool calls when whole, the usage if it is told. Raises ModelFailed.

        Deadlines for the first token, between tokens and for the whole are the adapter's, from settings.
        Closing the iterator ends the request.
        """


# ── people who sign in (not journaled: a mail address is unique over all users) ────────────────────────────────


class NewCredential(msgspec.Struct, frozen=True):
    """What registering claims: the mail address first, by its blind index. Kept sealed until the session has opened."""

    user_id: str
    email: str
    password_hash: str
    name: str
    tz: str
    language: str
    created_at: datetime


class Credential(msgspec.Struct, frozen=True):
    """A person's way in. `opened` is whether their session has taken its first command; it keeps their name then.

    `language` is that of letters to them.
    """

    user_id: str
    email: str
    password_hash: str
    name: str
    tz: str
    language: str
    opened: bool
    moved_at: datetime | None = None
    """When the mail address became another one of which the session has not been told yet."""
    created_at: datetime | None = None
    confirmed_at: datetime | None = None


class Accounts(Protocol):
    """Conditional single-document writes, majority, journaled."""

    async def claim(self, credential: NewCredential) -> bool:
        """False when the mail address is taken. Raises Unavailable."""

    async def by_mail(self, email: str) -> Credential | None:
        """The credential of a mail address, compared without case, by its blind index."""

    async def of_user(self, user_id: str) -> Credential | None: ...

    async def opened(self, user_id: str) -> None:
        """The session has taken its first command."""

    async def unclaim(self, user_id: str) -> None:
        """Give up a claim whose session refused its first command; one that has opened stays."""

    async def rehash(self, user_id: str, password_hash: str) -> None:
        """Replace the password hash: another password, or the same with today's parameters."""

    async def confirm(self, user_id: str, email: str, at: datetime) -> bool:
        """Letters to this address have been read by this user; False when it is not theirs any more."""

    async def move(self, user_id: str, email: str, at: datetime) -> bool:
        """Another, confirmed mail address in place of the one so far, in one step; False when it is taken."""

    async def told(self, user_id: str, moved_at: datetime) -> None:
        """The session knows of the move made then."""


class ApiKey(msgspec.Struct, frozen=True):
    """A program's way in: what it may do, and for how long. Of its secret only the digest is kept."""

    id: str
    name: str
    digest: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None


class ApiKeys(Protocol):
    """Every method raises Unavailable."""

    async def add(self, key: ApiKey) -> None: ...

    async def get(self, key_id: str) -> ApiKey | None: ...

    async def list(self) -> Sequence[ApiKey]:
        """All there are, newest first."""

    async def use(self, key_id: str, at: datetime) -> None:
        """It was used then."""

    async def revoke(self, key_id: str, at: datetime) -> bool:
        """False when it had been revoked or never was."""


class Granted(msgspec.Struct, frozen=True):
    """A line of the audit: `by` is a user's id, or in words how else it came about.

    `did` is `role.granted`, `factor.added` or `factor.removed`; the role is then the same as before.
    """

    id: str
    at: datetime
    by: str
    whom: str
    role: Role
    before: Role
    did: str = "role.granted"


class Roles(Protocol):
    """Every method raises Unavailable."""

    async def of(self, user_id: str) -> Role: ...

    async def any_admin(self) -> bool: ...

    async def grant(self, user_id: str, role: Role, by: str, at: datetime) -> Role | None:
        """Together with a line of the audit, if it is another; the role before, or None without such an account."""

    async def granted(self, limit: int, last: str | None) -> Sequence[Granted]:
        """Newest first, after the one with that id."""


class RecoveryCode(msgspec.Struct, frozen=True):
    """Kept by its hash; `name` is how it begins, by which it is found."""

    name: str
    hash: str


class Factor(msgspec.Struct, frozen=True):
    """A secret shared with somebody's authenticator app; codes of steps up to `last_step` are good no more."""

    secret: str
    last_step: int
    codes: Sequence[RecoveryCode]


class Factors(Protocol):
    """At most one of each user. Every method raises Unavailable."""

    async def get(self, user_id: str) -> Factor | None: ...

    async def add(self, user_id: str, factor: Factor, at: datetime) -> bool:
        """Together with a line of the audit; False when there is one."""

    async def advance(self, user_id: str, step: int) -> bool:
        """`last_step` becomes that one, if it is lower; of many at once, one wins."""

    async def spend(self, user_id: str, name: str) -> int | None:
        """The recovery code of that name is gone: how many are left. Of many at once, one gets it; the others None."""

    async def recode(self, user_id: str, codes: Sequence[RecoveryCode]) -> bool:
        """These in the place of all recovery codes there were; False when there is no factor."""

    async def remove(self, user_id: str, by: str, at: datetime) -> bool:
        """Together with a line of the audit; False when there is none."""


class Passkey(msgspec.Struct, frozen=True):
    """Somebody's key pair (WebAuthn): `credential` is what their authenticator calls it, and the id is made of that.

    `key` is the public one (COSE, RFC 9052); `counter` how often it had signed when it was used last, 0 for those that
    do not count; `synced`: it is on all devices of an account somewhere.
    """

    id: str
    user_id: str
    name: str
    credential: bytes
    key: bytes
    counter: int
    synced: bool
    created_at: datetime
    used_at: datetime | None = None


class Passkeys(Protocol):
    """Every method raises Unavailable."""

    async def get(self, passkey_id: str) -> Passkey | None: ...

    async def list(self, user_id: str) -> Sequence[Passkey]:
        """Oldest first."""

    async def add(self, passkey: Passkey) -> bool:
        """Together with a line of the audit; False when there is one of that id, whosever it is."""

    async def use(self, passkey: Passkey, counter: int, at: datetime) -> bool:
        """Its counter becomes that one, if nobody has used it since it was read; of many at once, one wins."""

    async def remove(self, passkey: Passkey, at: datetime) -> bool:
        """Together with a line of the audit; False when there is none any more."""


class LoginSession(msgspec.Struct, frozen=True):
    """One signed-in device. `counter` is the generation of its refresh token; `key` makes the tokens' MACs."""

    id: str
    user_id: str
    device: str
    key: bytes
    counter: int
    used: int
    """The newest generation of which an access token was seen in use."""
    created_at: datetime
    rotated_at: datetime
    revoked_at: datetime | None = None
    fresh_for: str | None = None
    """What the user may do until `fresh_until`, having proved once more who they are."""
    fresh_until: datetime | None = None
    factor_at: datetime | None = None
    """When the second factor was proved on it."""
    passkey_id: str | None = None
    """What it was begun with in the place of a password."""


class LoginSessions(Protocol):
    """Conditional single-document writes, majority, journaled."""

    async def add(self, session: LoginSession) -> None: ...

    async def get(self, session_id: str) -> LoginSession | None: ...

    async def rotate(self, session_id: str, counter: int, at: datetime) -> bool:
        """Counter → counter + 1, if it is still `counter` and the session lives. One of many at once wins."""

    async def use(self, session_id: str, counter: int) -> None:
        """An access token of this generation was seen."""

    async def revoke(self, session_id: str, at: datetime) -> bool:
        """End one; False when it had ended or never was."""

    async def revoke_all(self, user_id: str, at: datetime, *, keep: str = "") -> Sequence[str]:
        """End all of a user's but the one to keep; answers the ids that lived."""

    async def prove(self, session_id: str, at: datetime) -> None:
        """The second factor was proved on it."""

    async def freshen(self, session_id: str, scope: str, until: datetime) -> None:
        """The user has just proved who they are, for this purpose."""

    async def list(self, user_id: str) -> Sequence[LoginSession]:
        """Those that were not revoked, newest first."""

    async def revoked(self, since: datetime) -> Sequence[str]:
        """The ids of those that were revoked since then, on whichever node."""


class Proof(msgspec.Struct, frozen=True):
    """What presenting a token proves: sealed under the key of `owner`. There is one of a kind for a subject."""

    kind: str
    subject: str
    owner: str
    until: datetime
    fields: Mapping[str, str] = {}


class Proofs(Protocol):
    """Tokens by their digest, each good once. Every method raises Unavailable."""

    async def keep(self, digest: str, proof: Proof) -> None:
        """The newest of a kind and subject voids the one before."""

    async def keep_only(self, digest: str, proof: Proof, now: datetime) -> bool:
        """False, and nothing is kept, while there is a good one of that kind and subject."""

    async def find(self, digest: str, now: datetime) -> Proof | None:
        """As long as it is good; it stays so."""

    async def waiting(self, kind: str, subject: str, now: datetime) -> Proof | None:
        """What was kept last for these, as long as it is good."""

    async def take(self, digest: str, now: datetime) -> Proof | None:
        """Of many at once, one gets it."""


# ── who is there ─────────────────────────────────────────────────────────────────────────────────────────────────


class Seen(msgspec.Struct, frozen=True):
    """What is known of somebody who is not here: to whom they show it, and when a device of theirs was last there."""

    audience: Audience
    seen_at: datetime | None


class PresenceRows(Protocol):
    """Beside the log: who comes and goes is no part of anybody's story. Every method raises Unavailable."""

    async def keep(self, seen: Mapping[str, datetime]) -> None:
        """When each was last there; never back."""

    async def get(self, user_ids: Collection[str]) -> Mapping[str, Seen]:
        """Those of them who have an account."""


# ── mail ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Letter(msgspec.Struct, frozen=True):
    """What is to be mailed: a template by its name, and what fills it. Sealed as a whole."""

    template: str
    to: str
    language: str
    fields: Mapping[str, str]


class Mail(msgspec.Struct, frozen=True):
    """A letter on its way. Its id is its dedupe key; after `until` nobody has any use of it. `owner`'s key seals it."""

    id: str
    owner: str
    letter: Letter
    created_at: datetime
    until: datetime
    attempts: int = 0


class Mails(Protocol):
    """Letters wait here until a mail server has taken them. Every method raises Unavailable."""

    async def add(self, mail: Mail) -> bool:
        """False when there is one of that id already, sent or not."""

    async def claim(self, now: datetime, until: datetime) -> Mail | None:
        """One that is due, for one sender alone until then; it counts as an attempt."""

    async def postpone(self, mail_id: str, until: datetime, *, counted: bool = True) -> None:
        """Not before then. Not counted: nobody has tried it."""

    async def sent(self, mail_id: str, at: datetime) -> None: ...

    async def bury(self, mail_id: str, why: str, at: datetime) -> None:
        """It is not tried again."""


# ── background work ──────────────────────────────────────────────────────────────────────────────────────────────


class Jobs(Protocol):
    """Where a session leaves what it owes and no actor should hold."""

    async def offer(self, job: Job) -> JobOutcome | None:
        """How it ended; if it has not, some worker is asked to do it: again each time, and it has one effect.

        Raises Unavailable.
        """


class Claimed(msgspec.Struct, frozen=True):
    """A job in one worker's hands. `attempt` is never the same twice; `counted` of them failed for no outer reason."""

    job: Job
    attempt: int
    counted: int


class JobRows(Protocol):
    """Who does a job, how often it was tried, and how it ended; kept as safe as the log. Every method raises Unavailable."""

    async def claim(self, job_id: str, now: datetime, until: datetime) -> Claimed | None:
        """For one worker alone until then. None: it is another's, has ended, or nobody owes it."""

    async def renew(self, claimed: Claimed, until: datetime) -> None:
        """The worker still lives."""

    async def let_go(self, claimed: Claimed, until: datetime, *, excused: bool) -> None:
        """Anybody may claim it then. Excused: the attempt failed for an outer reason and does not count."""

    async def end(self, claimed: Claimed, result: JobResult, at: datetime) -> None:
        """The first result stays, and that of a worker whose claim has passed to another is not taken."""

    async def bury(self, claimed: Claimed, why: str, at: datetime) -> bool:
        """It is not tried again: a dead letter, which stays. False when its claim has passed to another."""


class ExportFiles(Protocol):
    """Pieces of exports, each sealed for its owner. Every method raises Unavailable."""

    async def put(self, owner: str, export_id: str, place: tuple[int, int], piece: bytes) -> None:
        """`place` is the copy and the number of the piece in it."""

    async def read(self, owner: str, export_id: str, place: tuple[int, int]) -> bytes | None: ...

    async def remove(self, export_id: str) -> None:
        """All copies of it."""


# ── limits before there is an actor ──────────────────────────────────────────────────────────────────────────────


class Take(msgspec.Struct, frozen=True):
    """One to be taken from a limit; `subject` is whose it is, and is kept by its digest only."""

    limit: Limit
    subject: str


class Standing(msgspec.Struct, frozen=True):
    """Where a limit stands: `wait` seconds until it lets one through, 0 when it did; all are back after `reset`."""

    limit: Limit
    wait: float
    reset: float

    @property
    def remaining(self) -> int:
        """How many more at once."""
        return max(0, int(self.limit.burst - self.reset * self.limit.rate + 1e-3))


class Counters(Protocol):
    """Limits of the whole fleet. Every method raises Unavailable."""

    async def take(self, takes: Sequence[Take]) -> Sequence[Standing]:
        """Take from each that has one left; a limit that has none is left as it was."""

    async def give_back(self, take: Take) -> None:
        """One that was taken and did not count."""

    async def remember(self, subject: str) -> None:
        """For 90 days."""

    async def remembers(self, subject: str) -> bool: ...


# ── the rows people query ────────────────────────────────────────────────────────────────────────────────────────


class Page(msgspec.Struct, frozen=True):
    """One page of a list and where the next begins; the cursor is opaque to apps."""

    items: Sequence[Any]
    next_cursor: str | None


class GoalRows(Protocol):
    async def list(self, user_id: str, *, limit: int, cursor: str | None, status: Status | None) -> Page:
        """The user's goals, newest first. Raises Invalid for a cursor that was never given out."""

    async def get(self, user_id: str, goal_id: str) -> Goal | None: ...


class MessageRows(Protocol):
    async def list(self, user_id: str, *, thread: str, before: int | None, limit: int) -> Sequence[Message]:
        """Messages of a thread with seq < before, newest first."""


class HeadRows(Protocol):
    async def owing(self, before: datetime, limit: int) -> Sequence[str]:
        """Addresses that owe something since before that time, or have something due by it."""
