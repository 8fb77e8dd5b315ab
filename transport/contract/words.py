"""What the server says on a socket of its own accord, beside the events of the log."""

from typing import Final, Literal

import msgspec


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


class Progress(msgspec.Struct, frozen=True):
    """How far work in the background has come: `done` of `total`; `subject` is the id of what it is about."""

    kind: str
    subject: str
    done: int
    total: int


WORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "session.ready": Ready,
    "session.resync": Resync,
    "session.closing": Closing,
}
SIGNALS: Final[dict[str, type[msgspec.Struct]]] = {"reply.delta": ReplyDelta, "typing": Typing, "progress": Progress}
"""The `data` of every `signal`, by its `type`."""
