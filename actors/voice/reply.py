"""A reply on its way to the user's ear, from what was said to the session until it is known what was heard."""

from dataclasses import dataclass, field
from typing import Final

from actors.media import Progress
from actors.voice.messages import ReplyEnded, ReplySaid, ReplyTool
from actors.voice.sentences import Sentence, Sentences
from actors.voice.speaking import Line
from actors.voice.timeline import Marks

EARLY: Final = 4
"""Replies that speak before the session has said that they are ours."""
UNCONFIRMED: Final = 1.0
"""Seconds after the first frame of a reply was sent until nobody will confirm it any more."""

FromReply = ReplySaid | ReplyTool | ReplyEnded


@dataclass(slots=True)
class Said:
    """The session was told, and has not answered. What replies tell before it has is kept."""

    turn: int
    at: float
    marks: Marks
    cut: bool = False
    early: dict[str, list[FromReply]] = field(default_factory=dict)

    def keep(self, event: FromReply) -> None:
        if event.reply_id in self.early or len(self.early) < EARLY:
            self.early.setdefault(event.reply_id, []).append(event)


@dataclass(slots=True)
class Reply:
    """`sign_at` is when it last showed that it lives; `first_frame` the first of the voice that is of it."""

    id: str
    turn: int
    sign_at: float
    marks: Marks
    text: str = ""
    ended: bool = False
    tools: int = 0
    first_frame: int | None = None
    _sentences: Sentences = field(default_factory=Sentences)

    def note(self, event: FromReply, now: float) -> list[Sentence]:
        """Answers what can be spoken now: before a tool works and at the end, all there is."""
        self.sign_at = now
        match event:
            case ReplySaid():
                self.text += event.text
                self.marks.mark("first_token", now)
                return self._sentences.add(event.text)
            case ReplyTool():
                self.tools = max(0, self.tools + (1 if event.began else -1))
            case ReplyEnded():
                self.ended, self.tools = True, 0
        return self._sentences.close()

    def begin(self, line: Line, now: float, progress: Progress) -> str:
        """A line of it is heard, or shown, from now on; answers its text up to there."""
        self.marks.mark("first_audio", now)
        if self.first_frame is None:
            self.first_frame = progress.queued
        return self.text[: line.stop].rstrip()

    def follow(self, now: float, progress: Progress) -> bool:
        """Mark when its first frame was sent and the listener confirmed it; true once there is nothing more to mark."""
        if self.first_frame is None or progress.sent <= self.first_frame:
            return False
        self.marks.mark("first_packet", now)
        if progress.confirmed and progress.heard > self.first_frame:
            self.marks.mark("confirmed", now)
        return self.marks.has("confirmed") or now > self.marks.last + UNCONFIRMED


@dataclass(slots=True)
class Cut:
    """A reply that was cut, until it is known how much of it was heard and no tool works for it.

    `told`: how far its text had come to the user at least; `sent`: the first frame that was not.
    """

    reply: Reply
    generation: int
    sent: int
    told: int
    heard_by: float
    tools_by: float

    def settled_by(self, now: float, progress: Progress) -> float:
        """At once when the listener has told of all that was sent to them and no tool works."""
        known = progress.confirmed and progress.heard >= self.sent
        heard_by = now if known else self.heard_by
        return max(heard_by, self.tools_by) if self.reply.tools else heard_by
