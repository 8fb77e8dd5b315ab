"""What the user says in one turn: its segments and their words, and what the turn has come to."""

from dataclasses import dataclass, field

from actors.voice.endpointing import Segment


@dataclass(slots=True)
class _Part:
    segment: Segment
    text: str | None = None
    code: str | None = None


@dataclass(slots=True)
class Utterance:
    """`start` is its first sample, `frame` the one of the coach's that was heard then.

    `beside`: it was begun beside the coach's turn, and is not known to take the turn from it. `cut_in`: it has.
    `answers`: it waits until the coach has come to its end.
    """

    turn: int
    start: int
    frame: int
    beside: bool = False
    cut_in: bool = False
    answers: bool = False
    speaking: bool = True
    pausing: bool = False
    voiced: float = 0.0
    ended_at: float = 0.0
    spoken_until: float = 0.0
    looked_at: float = 0.0
    """When its words were last looked for in passing, or were asked for."""
    looking: bool = False
    parts: dict[int, _Part] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The words so far."""
        return " ".join(part.text.strip() for part in self.parts.values() if part.text)

    @property
    def whole(self) -> bool:
        """Whether no words are waited for any more."""
        return all(part.text is not None or part.code is not None for part in self.parts.values())

    @property
    def problem(self) -> str | None:
        """Why some of its words will never be known."""
        return next((part.code for part in self.parts.values() if part.code is not None), None)

    @property
    def known_until(self) -> int:
        """The sample up to which its words are known, or asked for."""
        return max((part.segment.end for part in self.parts.values()), default=self.start)

    def begin(self, sample: int, now: float, *, busy: bool) -> None:
        """They speak, or speak again. `busy`: so does the coach, or it is about to."""
        self.speaking, self.pausing, self.voiced = True, False, 0.0
        self.start, self.looked_at, self.beside = sample, now, self.beside and busy

    def pause(self, voiced: float) -> None:
        self.pausing, self.voiced = True, voiced

    def end(self, now: float, spoken_until: float, voiced: float | None = None) -> None:
        self.speaking = self.pausing = False
        self.ended_at, self.spoken_until = now, spoken_until
        self.voiced = self.voiced if voiced is None else voiced

    def waits_for(self, segment: Segment) -> bool:
        """Its words are to be asked for: not when they were already."""
        known = self.parts.get(segment.number)
        if known is not None and known.segment == segment:
            return False
        self.parts[segment.number] = _Part(segment)
        return True

    def told(self, segment: Segment, text: str | None, code: str | None) -> bool:
        """False when the segment has grown since."""
        part = self.parts.get(segment.number)
        if part is None or part.segment != segment:
            return False
        part.text, part.code = text, code
        return True

    def give_up(self, code: str) -> None:
        """The words that are still waited for will not come."""
        for part in self.parts.values():
            if part.text is None:
                part.code = part.code or code
