"""What the server says on a socket of its own accord, beside the events of the log."""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from actors.domain.presence import State


class Ready(msgspec.Struct, frozen=True):
    """The device is let in. `log` is the log's own id, `seq` its head; `resumed`: what was missed since follows."""

    user_id: str
    log: str
    seq: int
    resumed: bool
    node: str


class Resync(msgspec.Struct, frozen=True):
    """The log can't take the device on from its `since`: it fetches the snapshot and goes on from its seq."""

    reason: Literal["ahead", "log"]
    snapshot_url: str


class Closing(msgspec.Struct, frozen=True):
    """The server closes this connection. `reconnect`: come back, in `delay_ms`."""

    code: Literal["auth.revoked", "draining", "overloaded", "protocol", "replaced"]
    reconnect: bool
    delay_ms: int


class ReplyDelta(msgspec.Struct, frozen=True):
    """The next characters of a reply; `index` is their offset. One with index 0 is the whole text so far."""

    message_id: str
    index: int
    text: str


class Typing(msgspec.Struct, frozen=True):
    """The user types on another device. `on` holds for ten seconds, unless it is said again."""

    thread: str
    on: bool


class PresenceTold(msgspec.Struct, frozen=True):
    """How the user themselves is: it has become another at one of their other devices."""

    user_id: str
    state: State


class Progress(msgspec.Struct, frozen=True):
    """How far work in the background has come: `done` of `total`; `subject` is the id of what it is about."""

    kind: str
    subject: str
    done: int
    total: int


class CallState(msgspec.Struct, frozen=True):
    """How the user's call is. `away`: its device can't be heard; `reason` is a code, of why it ended or what is wrong."""

    call_id: str
    state: Literal["connecting", "listening", "thinking", "speaking", "away", "ended"]
    reason: str | UnsetType = UNSET


class Caption(msgspec.Struct, frozen=True):
    """What is being said in a call. One that is not final yet is replaced by the next of its side and turn."""

    call_id: str
    turn_id: str
    side: Literal["user", "coach"]
    text: str
    final: bool


class CallTurn(msgspec.Struct, frozen=True):
    """Why an answer took as long as it did: milliseconds of each stage, one after the other, from the end of speech."""

    call_id: str
    turn_id: str
    stages: dict[str, float]


WORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "session.ready": Ready,
    "session.resync": Resync,
    "session.closing": Closing,
}
SIGNALS: Final[dict[str, type[msgspec.Struct]]] = {
    "reply.delta": ReplyDelta,
    "typing": Typing,
    "presence": PresenceTold,
    "progress": Progress,
    "call.state": CallState,
    "caption": Caption,
    "call.turn": CallTurn,
}
"""The `data` of every `signal`, by its `type`."""
