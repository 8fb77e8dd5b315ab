"""What the turns of a call are told, and what they want done.

Each carries the number of what it belongs to: `epoch` of the peer, `turn` of the user, `generation` of what the coach
says. What comes for a number that is over is dropped.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from actors.media import Word
from actors.voice.endpointing import Found, Segment
from actors.voice.messages import CallState, Heard, ReplyEnded, ReplySaid, ReplyTool

# ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────


class Attached(msgspec.Struct, frozen=True):
    """There is a peer; the voice is sent to it, the user heard from it."""

    epoch: int


class Lost(msgspec.Struct, frozen=True):
    """The peer of that epoch is out of reach."""

    epoch: int


class Perceived(msgspec.Struct, frozen=True):
    """What the endpointing made of the user's sound."""

    epoch: int
    found: Found


class Transcribed(msgspec.Struct, frozen=True):
    turn: int
    segment: Segment
    text: str
    interim: bool = False


class NotTranscribed(msgspec.Struct, frozen=True):
    turn: int
    segment: Segment
    code: str
    interim: bool = False


class Taken(msgspec.Struct, frozen=True):
    """The session has taken what was said in that turn and owes this reply."""

    turn: int
    reply_id: str


class NotTaken(msgspec.Struct, frozen=True):
    turn: int
    code: str


class Sounded(msgspec.Struct, frozen=True):
    """The next sound of a line, as the speaker makes it."""

    generation: int
    line: int
    pcm: bytes
    words: tuple[Word, ...] = ()


class Made(msgspec.Struct, frozen=True):
    """The line's sound is whole."""

    generation: int
    line: int


class NotMade(msgspec.Struct, frozen=True):
    """There will be no more sound of that line."""

    generation: int
    line: int
    code: str


class Queued(msgspec.Struct, frozen=True):
    """The voice was given sound of a line: frames up to `frames`. `pcm` is what was given."""

    generation: int
    line: int
    frames: int
    pcm: bytes = b""
    words: tuple[Word, ...] = ()
    last: bool = False


class Measured(msgspec.Struct, frozen=True):
    """How loud the user has been since their turn began, frame by frame, and how many seconds of it were speech."""

    turn: int
    levels: tuple[int, ...]
    voiced: float


class Due(msgspec.Struct, frozen=True):
    """It is later than it was."""


class HungUp(msgspec.Struct, frozen=True):
    """The call ends. `End` follows at once; gently, when the sentence that is being said is over."""

    reason: str
    gently: bool = False


Event = (
    Attached | Lost | Perceived | Transcribed | NotTranscribed | Taken | NotTaken | ReplySaid | ReplyTool | ReplyEnded
    | Sounded | Made | NotMade | Queued | Measured | Due | HungUp
)  # fmt: skip

# ── what is to be done ───────────────────────────────────────────────────────────────────────────────────────────


class Transcribe(msgspec.Struct, frozen=True):
    """`Transcribed` or `NotTranscribed` follows. Interim: whatever has been heard since the segment's start."""

    turn: int
    segment: Segment
    interim: bool = False


class Measure(msgspec.Struct, frozen=True):
    """`Measured` follows, for what was heard since that sample."""

    turn: int
    start: int


class Say(msgspec.Struct, frozen=True):
    """To the session, after every `Finish` before it. `Taken` or `NotTaken` follows."""

    turn: int
    text: str


class Finish(msgspec.Struct, frozen=True):
    reply_id: str
    heard: Heard | None


class Speak(msgspec.Struct, frozen=True):
    """`Sounded`, then `Made` or `NotMade` follow, unless it is hushed."""

    generation: int
    line: int
    text: str


class Hush(msgspec.Struct, frozen=True):
    """That line is not to be made any more; 0: nothing of its generation is."""

    generation: int
    line: int = 0


class Play(msgspec.Struct, frozen=True):
    """Give the voice this sound; `Queued` follows. Last: the line ends with it."""

    generation: int
    line: int
    pcm: bytes
    words: tuple[Word, ...] = ()
    last: bool = False


class Pause(msgspec.Struct, frozen=True):
    """The voice falls silent and keeps what it has."""


class Resume(msgspec.Struct, frozen=True):
    frame: int


class Cut(msgspec.Struct, frozen=True):
    """The voice falls silent and drops what it has; the listener is asked how far they heard."""


class Caption(msgspec.Struct, frozen=True):
    """The whole text of a side in a turn as it is known now."""

    turn: int
    side: Literal["user", "coach"]
    text: str
    final: bool


class Show(msgspec.Struct, frozen=True):
    state: CallState
    reason: str | None = None


class Timeline(msgspec.Struct, frozen=True):
    """How many milliseconds each stage of a turn took, one after another."""

    turn: int
    stages: Mapping[str, int]


class End(msgspec.Struct, frozen=True):
    reason: str


Action = (
    Transcribe | Measure | Say | Finish | Speak | Hush | Play | Pause | Resume | Cut | Caption | Show | Timeline | End
)  # fmt: skip
