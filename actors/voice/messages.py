"""What a call and its session tell each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from actors.domain.conversation import MessageState
from actors.media import Peers, Speaker, SpeechDetector, Transcriber, TurnJudge
from actors.runtime.envelope import Reply
from actors.runtime.tracing import Trace
from actors.voice.figures import Figures
from actors.voice.timings import Timings

CallState = Literal["connecting", "listening", "thinking", "speaking", "away", "ended"]


class Heard(msgspec.Struct, frozen=True):
    """How much of a reply's text was heard when it was cut; `estimated`: the listener's player has not confirmed it."""

    text: str
    estimated: bool


# ── session → call ───────────────────────────────────────────────────────────────────────────────────────────────


class Offered(msgspec.Struct, frozen=True):
    """A peer offers a connection for this call: the first, or one in the place of the one so far.

    Answered with the SDP of the answer. Refused with `call.sdp`, `overloaded`, or `call.not_found` when it has ended.
    """

    sdp: str
    reply: Reply


class Candidate(msgspec.Struct, frozen=True):
    """A candidate of the newest peer, which may still be on its way. None: there are no more."""

    candidate: str | None
    sdp_mid: str | None
    sdp_mline_index: int | None
    reply: Reply | None = None


class HangUp(msgspec.Struct, frozen=True):
    """Gently: what is being said is said to the end of its sentence, and the reply goes on in writing."""

    reason: str
    gently: bool = False


class ReplySaid(msgspec.Struct, frozen=True):
    """The next characters of a reply."""

    reply_id: str
    text: str


class ReplyTool(msgspec.Struct, frozen=True):
    """A tool works for the reply, or works no more."""

    reply_id: str
    began: bool


class ReplyEnded(msgspec.Struct, frozen=True):
    """The reply's text is whole; `problem` is the code of what went wrong."""

    reply_id: str
    state: MessageState
    problem: str | None = None


FromSession = Offered | Candidate | HangUp | ReplySaid | ReplyTool | ReplyEnded

# ── call → session ───────────────────────────────────────────────────────────────────────────────────────────────


class Host(Protocol):
    """What a call may use of its session; it never touches the session's state. One `say` or `finish` at a time."""

    async def say(self, text: str, cid: str) -> str:
        """The user has said this; answers the id of the reply that is owed. Raises Refused; the same cid has one effect."""

    async def finish(self, reply_id: str, heard: Heard | None) -> None:
        """The reply has been played to its end (None), or it was cut and this is what was heard. Raises Refused.

        None before it has an end: the call waits for it no longer, and it is written.
        """

    def signal(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - as in the protocol of the devices
        """To the user's devices: `call.state`, `caption`, `call.turn`."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the calls of a node share; the models have their deadlines, retries, fallbacks and breakers."""

    peers: Peers
    detector: SpeechDetector | None
    """None, and what is loud is taken for speech."""
    judge: TurnJudge | None
    transcriber: Transcriber
    speaker: Speaker
    timings: Timings = field(default_factory=Timings)
    figures: Figures = field(default_factory=Figures)
    """Counted by all of them together."""
    admit: Callable[[], None] = lambda: None
    """Raises Overloaded when those that are there would suffer from one more."""
    begin_trace: Callable[[str], Trace | None] = lambda _: None
    """One for each turn, of that name; None: they go on with the trace of the offer."""


class Ended(msgspec.Struct, frozen=True):
    """How a call came to its end, and what it learned of the user's pauses (mean seconds inside a turn).

    `reason`: whatever HangUp said, "away" (nobody for a minute), "overloaded", or "failed" (a bug).
    """

    reason: str
    pauses: float | None = None
