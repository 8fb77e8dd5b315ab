"""What a conversation is made of: messages, and the reply that is owed for one."""

from datetime import date, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from actors.domain.private import PrivateText, private

Role = Literal["user", "coach", "person"]
MessageState = Literal["complete", "interrupted", "failed"]
COACH: Final = "coach"
"""The thread every user has with their coach, and the author id of what the coach says."""
OFFLINE: Final = "offline coach"
"""Who answered, when it was no language model."""
LOADING: Final = "model.loading"
"""Why, while the model is still being fetched or loaded."""

MAX_TEXT = 16_000
HISTORY = 80
"""How many of the newest messages the state holds; older ones are rows."""
HISTORY_CHARACTERS = 400_000
"""How much text the state holds in them; the newest message and those an owed reply needs stay in any case."""
MAX_STEPS = 32
"""How many tools the coach may use for one reply."""
MAX_OWED = 32
"""How many replies may wait at once; beyond, `chat.busy`."""

Text = Annotated[str, private(min_length=1, max_length=MAX_TEXT)]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message as apps see it.

    `problem` is a stable code: what went wrong when `state` is "failed"; else why it was not the usual model that
    answered but the one named in `answered_by`.
    """

    id: str
    seq: int
    thread: str
    role: Role
    author_id: str
    text: PrivateText
    created_at: Annotated[datetime, Meta(tz=True)]
    spoken: bool = False
    state: MessageState = "complete"
    answered_by: str | None = None
    reply_to: str | None = None
    problem: str | None = None
    attachments: tuple[str, ...] = ()
    estimated: bool = False
    """Of a spoken one that was interrupted: how much of it was heard is an estimate."""


class _Held(Message, frozen=True, kw_only=True, array_like=True):
    """A message without the names of its fields: half the bytes."""


_unpack = msgspec.msgpack.Decoder(_Held).decode
_pack = msgspec.msgpack.Encoder().encode


def packed(message: Message) -> bytes:
    """A message as a state holds it for as long as its user is connected: a third of its memory."""
    return _pack(msgspec.structs.astuple(message))


def unpacked(message: bytes) -> Message:
    return _unpack(message)


class Reading(msgspec.Struct, frozen=True):
    """How far a person has read a thread: up to the message at seq `through`; `unread` of what others said since.

    Only the newest messages are counted: as many as a session holds.
    """

    thread: str
    through: int
    unread: int


class Summary(msgspec.Struct, frozen=True):
    """What the conversation came to up to the user's message at seq `through`, the answer to it included."""

    text: PrivateText
    through: int


class Spent(msgspec.Struct, frozen=True):
    """Tokens of language models on the newest local day on which there were any."""

    day: date
    tokens: int = 0

    def with_more(self, day: date, tokens: int) -> "Spent":
        """After so many more on that day; a day that lies before the newest counts as that one."""
        return Spent(day, tokens) if day > self.day else Spent(self.day, self.tokens + tokens)

    def on(self, day: date) -> int:
        return self.tokens if day <= self.day else 0


class ToolStep(msgspec.Struct, frozen=True):
    """One tool call of the coach that was carried out: its arguments and result as JSON text."""

    call_id: str
    name: str
    arguments: PrivateText
    result: PrivateText


class OwedReply(msgspec.Struct, frozen=True):
    """A reply that must follow the user's message `message_id`, and what the coach has done for it so far."""

    reply_id: str
    message_id: str
    since: Annotated[datetime, Meta(tz=True)]
    steps: tuple[ToolStep, ...] = ()
