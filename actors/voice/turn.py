"""Whose turn it is: what is heard and what became of requests in, what is to be done out. The time is an argument."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.media import Progress
from actors.voice import moves
from actors.voice.endpointing import Ended, Filled, Paused, Started
from actors.voice.messages import CallState, ReplyEnded, ReplySaid
from actors.voice.sentences import Sentence, Sentences
from actors.voice.timings import Timings

POLL = 0.05


@dataclass
class _Reply:
    id: str
    turn: int
    text: str = ""
    ended: bool = False
    lines: list[Sentence] = field(default_factory=list)
    sentences: Sentences = field(default_factory=Sentences)
    made: int = 0
    making: bool = False
    frames: int = 0


class Turns:
    """Of one call. `take` answers what is to be done about an event; at `due` it wants to be asked with `Due`."""

    def __init__(self, timings: Timings, language: str) -> None:
        self.due: float | None = None
        self._timings = timings
        self._language = language
        self._turn = 0
        self._texts: dict[int, str | None] = {}
        self._reply: _Reply | None = None
        self._state: CallState = "connecting"
        self._away_since: float | None = None
        self._done: list[moves.Action] = []
        self._now, self._progress = 0.0, Progress(0, 0, 0, confirmed=False)
        self._on: dict[type, Callable[[Any], None]] = {
            moves.Attached: self._attached,
            moves.Lost: self._lost,
            moves.Perceived: self._perceived,
            moves.Transcribed: self._transcribed,
            moves.NotTranscribed: self._not_transcribed,
            moves.Taken: self._taken,
            moves.NotTaken: self._not_taken,
            ReplySaid: self._said,
            ReplyEnded: self._reply_ended,
            moves.Sounded: self._sounded,
            moves.Made: self._made,
            moves.NotMade: self._made,
            moves.Queued: self._queued,
            moves.HungUp: self._hung_up,
        }

    def take(self, event: moves.Event, now: float, progress: Progress) -> list[moves.Action]:
        self._done, self._now, self._progress = [], now, progress
        handler = self._on.get(type(event))
        if handler is not None:
            handler(event)
        self._go_on()
        return self._done

    def _show(self, state: CallState, reason: str | None = None) -> None:
        if state != self._state:
            self._state = state
            self._done.append(moves.Show(state, reason))

    def _attached(self, _: moves.Attached) -> None:
        self._away_since = None
        self._show("listening")

    def _lost(self, _: moves.Lost) -> None:
        self._away_since = self._now
        self._show("away")

    def _perceived(self, perceived: moves.Perceived) -> None:
        match perceived.found:
            case Started() if not self._texts:
                self._turn += 1
                self._show("listening")
            case Filled(segment=segment) | Paused(segment=segment):
                self._texts[segment.number] = None
                self._done.append(moves.Transcribe(self._turn, segment))
            case Ended():
                self._submit()

    def _submit(self) -> None:
        self._show("thinking")
        if None not in self._texts.values():
            text = " ".join(filter(None, self._texts.values())).strip()
            self._texts = {}
            if text:
                self._done += [moves.Caption(self._turn, "user", text, final=True), moves.Say(self._turn, text)]
            else:
                self._show("listening")

    def _transcribed(self, transcribed: moves.Transcribed) -> None:
        if transcribed.segment.number in self._texts:
            self._texts[transcribed.segment.number] = transcribed.text
            if self._state == "thinking":
                self._submit()

    def _not_transcribed(self, failed: moves.NotTranscribed) -> None:
        self._texts = {}
        self._show("listening", failed.code)

    def _taken(self, taken: moves.Taken) -> None:
        self._reply = _Reply(taken.reply_id, taken.turn)

    def _not_taken(self, failed: moves.NotTaken) -> None:
        self._show("listening", failed.code)

    def _said(self, said: ReplySaid) -> None:
        if self._reply is not None and said.reply_id == self._reply.id:
            self._reply.text += said.text
            self._reply.lines += self._reply.sentences.add(said.text)

    def _reply_ended(self, ended: ReplyEnded) -> None:
        if self._reply is not None and ended.reply_id == self._reply.id:
            self._reply.lines += self._reply.sentences.close()
            self._reply.ended = True

    def _sounded(self, sounded: moves.Sounded) -> None:
        self._done.append(moves.Play(sounded.generation, sounded.line, sounded.pcm, sounded.words))

    def _made(self, made: moves.Made | moves.NotMade) -> None:
        self._done.append(moves.Play(made.generation, made.line, b"", last=True))

    def _queued(self, queued: moves.Queued) -> None:
        if self._reply is not None:
            self._show("speaking")
            self._reply.frames = queued.frames
            self._reply.making = self._reply.making and not queued.last

    def _hung_up(self, hung_up: moves.HungUp) -> None:
        self._done += [moves.Cut(), moves.Show("ended", hung_up.reason), moves.End(hung_up.reason)]

    def _go_on(self) -> None:
        self.due = None
        reply = self._reply
        if reply is not None and reply.made < len(reply.lines) and not reply.making:
            reply.making, reply.made = True, reply.made + 1
            self._done.append(moves.Speak(reply.turn, reply.made, reply.lines[reply.made - 1].text))
        elif reply is not None and reply.ended and not reply.making and self._progress.heard >= reply.frames:
            self._reply = None
            self._done += [
                moves.Finish(reply.id, None),
                moves.Caption(reply.turn, "coach", reply.text, final=True),
            ]
            self._show("listening")
        elif reply is not None:
            self.due = self._now + POLL
        if self._away_since is not None:
            self.due = self._away_since + self._timings.away
            if self._now >= self.due:
                self._done += [moves.Show("ended", "away"), moves.End("away")]
