"""A hostile world around the turns of one call: it loses, repeats, delays and fails, and knows what was really heard."""

import heapq
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from actors.media import FRAME, Word
from actors.voice import moves
from actors.voice.endpointing import Ended, Found, Paused, Resumed, Segment, Started
from actors.voice.messages import ReplyEnded, ReplySaid, ReplyTool
from actors.voice.timings import Timings
from actors.voice.turn import Turns
from tests.voice.ear import Ear

TIMINGS = Timings()
PER_WORD = 10
"""Frames."""
SIGNS = max(TIMINGS.again, TIMINGS.thought + TIMINGS.sound) + 0.5
"""Seconds within which whoever waits for the coach hears or sees something."""
AFTER_ALL = 90.0
"""Seconds after the user's last word in which everything must have come to its end."""
PAUSES = 0.15
"""Seconds from the beginning of speech within which the voice is silent."""
SAYINGS = {"words": "{0}a {0}b {0}c {0}d", "nod": "mhm", "noise": "", "stop": "stop"}


class Broken(Exception):
    """A promise was not kept."""


@dataclass
class Owed:
    """A reply of the session, and the truth about it. `cut`: the user took the turn from it."""

    id: str
    text: str = ""
    tools: int = 0
    tool_since: float = 0.0
    ended: bool = False
    taken: bool = False
    cut: bool = False
    shown: bool = False
    given_up: bool = False
    finished: bool = False
    kept: list[str] | None = None


@dataclass
class Uttered:
    text: str
    kind: str
    ended: bool = False
    answered: bool = False
    excused: bool = False


@dataclass
class Line:
    """What was made of a line: each of its words with its frames [first, end)."""

    text: str
    words: list[tuple[str, int, int]] = field(default_factory=list)


class World:
    """One random history of a call: `play` runs it to its end and raises Broken where a promise is not kept."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.turns = Turns(TIMINGS, "en")
        self.ear = Ear()
        self.replies: dict[str, Owed] = {}
        self.lines: dict[tuple[int, int], Line] = {}
        self.uttered: list[Uttered] = []
        self.over = False
        self._leaves_by = math.inf
        self._cut_within = False
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = self._epoch = self._segments = self._cut_at = 0
        self._there = False
        self._speech: Uttered | None = None
        self._sign_at = 0.0
        self._shown = "connecting"
        self._last = 0.0
        self._hostility = self.random.choice((0.0, 0.1, 0.3))
        self._hushed: set[tuple[int, int]] = set()
        self._reasons: set[str | None] = set()
        self._doings: dict[type, Callable[[Any], moves.Event | None]] = {
            moves.Transcribe: self._transcribe,
            moves.Measure: self._measure,
            moves.Say: self._say,
            moves.Finish: self._finish,
            moves.Speak: self._speak,
            moves.Hush: self._hush,
            moves.Play: self._play,
            moves.Pause: self._pause,
            moves.Resume: self._resume,
            moves.Cut: self._cut,
            moves.Caption: self._caption,
            moves.Show: self._show,
            moves.End: self._end,
        }

    # time

    def play(self) -> None:
        self._script()
        while not self.over:
            due = self.turns.due
            if self._heap and self._heap[0][0] <= due:
                at, _, act = heapq.heappop(self._heap)
                self._pass(at)
                act()
            elif due < self._last + AFTER_ALL:
                self._pass(max(due, self.now))
                self.tell(moves.Due())
            else:
                break
        self._check_end()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (self.now + seconds, self._count, act))

    def some(self, *most: float) -> float:
        return self.random.random() * self.random.choice(most)

    def hostile(self, share: float = 1.0) -> bool:
        return self.random.random() < self._hostility * share

    def _pass(self, at: float) -> None:
        """Time goes by; somebody may be waiting in silence."""
        waits = self._there and self._speech is None and self._shown in {"thinking", "speaking"}
        sounded = self.ear.sounds
        self.ear.run(at)
        self.now = at
        if not waits or sounded:
            self._sign_at = at
        elif at - self._sign_at > SIGNS:
            raise Broken(f"dead air from {self._sign_at:.2f} to {at:.2f}")

    # the user

    def _script(self) -> None:
        self.after(0.1, self._attach)
        at = 0.5
        for number in range(self.random.randint(2, 4)):
            at += self.some(0.5, 3.0, 6.0)
            kind = self.random.choice(("words", "words", "words", "nod", "noise", "stop"))
            for step in self._utter(Uttered(SAYINGS[kind].format(f"u{number}"), kind)):
                self.after(at, step)
                at += 0.05 + self.some(0.3, 0.8)
        if self.random.random() < 0.3:
            gone = 0.5 + self.some(at)
            self.after(gone, self._leave)
            self.after(gone + 0.5 + self.some(1.0, 10.0, 50.0), self._attach)
        if self.random.random() < 0.2:
            self.after(at + self.some(2.0, 10.0), lambda: self.tell(moves.HungUp("user")))
        if self.random.random() < 0.2:
            self.after(self.some(at, at + 5.0), self._drain)
        self._last = at + 55

    def _drain(self) -> None:
        self._leaves_by = min(self._leaves_by, self.now + TIMINGS.leaving)
        self.tell(moves.HungUp("draining", gently=True))

    def _attach(self) -> None:
        self._epoch += 1
        self._there = self.ear.connected = True
        self.tell(moves.Attached(self._epoch))

    def _leave(self) -> None:
        """What they said and nobody has answered yet may be lost with them."""
        self._there, self._speech = False, None
        for uttered in self.uttered:
            uttered.excused = True
        self.ear.lose()
        self.tell(moves.Lost(self._epoch))
        if self.hostile():
            self.tell(moves.Lost(self._epoch - 1))

    def _utter(self, uttered: Uttered) -> Iterator[Callable[[], None]]:
        """The steps of somebody who speaks, perhaps with pauses in between."""
        segment = Segment(0, 0, 0)

        def begin() -> None:
            if self._there:
                self._speech = uttered
                self.uttered.append(uttered)
                self._segments += 1
                self._begin()

        def pause() -> None:
            nonlocal segment
            segment = Segment(self._segments, 0, int(self.now * 16_000))
            self._perceive(uttered, Paused(self.now, segment, 1.0))

        def resume() -> None:
            self._perceive(uttered, Resumed(self.now))

        def end() -> None:
            self._perceive(uttered, Ended(self.now, segment, self.now - 0.5, self.random.choice((0.2, 1.0))))
            if self._speech is uttered:
                self._speech, uttered.ended = None, True

        yield begin
        for _ in range(self.random.choice((0, 0, 1, 2))):
            yield pause
            yield resume
        yield pause
        yield end

    def _begin(self) -> None:
        sounds = self.ear.sounds
        self.tell(moves.Perceived(self._epoch, Started(self.now, int(self.now * 16_000))))
        if sounds and self.ear.sounds:
            raise Broken("the voice goes on while somebody speaks")

    def _perceive(self, uttered: Uttered, found: Found) -> None:
        if self._speech is uttered:
            self.tell(moves.Perceived(self._epoch, found))
            if self.hostile():
                self.tell(moves.Perceived(self._epoch - 1, found))

    # what the turns are told, and what they want

    def tell(self, event: moves.Event) -> None:
        if self.over:
            return
        events: list[moves.Event] = [event]
        while events:
            self.ear.run(self.now)
            todo = self.turns.take(events.pop(0), self.now, self.ear.progress())
            self._reasons = {action.reason for action in todo if isinstance(action, moves.Show)}
            events += filter(None, [self._do(action) for action in todo])
        if not self.over and self.now >= self._leaves_by:
            raise Broken("does not leave")
        if not self.over and self.turns.due <= self.now:
            raise Broken("wants to be asked again at once")

    def _do(self, action: moves.Action) -> moves.Event | None:
        """Answers what follows at once."""
        doing = self._doings.get(type(action))
        return None if doing is None else doing(action)

    def _measure(self, asked: moves.Measure) -> moves.Event:
        return moves.Measured(asked.turn, (), self.random.choice((0.1, 0.4, 0.7)))

    def _hush(self, hush: moves.Hush) -> None:
        self._hushed.add((hush.generation, hush.line))

    def _pause(self, _: moves.Pause) -> None:
        self.ear.paused = True

    def _resume(self, resume: moves.Resume) -> None:
        if resume.frame < self._cut_at:
            raise Broken("goes back to what was cut")
        self.ear.resume(resume.frame)

    def _caption(self, caption: moves.Caption) -> None:
        if caption.side == "coach":
            self._sign_at = self.now

    def _show(self, show: moves.Show) -> None:
        self._shown, self._sign_at = show.state, self.now

    def _end(self, end: moves.End) -> None:
        self.over = True
        if end.reason == "draining" and self._there and self.now < self._leaves_by and self._cut_within:
            raise Broken("leaves in the middle of a sentence")

    def _transcribe(self, asked: moves.Transcribe) -> None:
        speech = self._speech or self.uttered[-1]
        if self.hostile(0.3):
            speech.excused = True
            failed = moves.NotTranscribed(asked.turn, asked.segment, "speech.error", asked.interim)
            if not self.hostile():
                self.after(self.some(0.5, 3.0), lambda: self.tell(failed))
            return
        told = moves.Transcribed(asked.turn, asked.segment, speech.text, asked.interim)
        for _ in range(1 + self.hostile(0.3)):
            self.after(0.05 + self.some(0.3, 0.3, 1.5), lambda: self.tell(told))

    # the session

    def _say(self, asked: moves.Say) -> None:
        if any(reply.taken and not reply.finished for reply in self.replies.values()):
            raise Broken("something is said before the reply so far is finished: what was not heard is in its prompt")
        for uttered in self.uttered:
            uttered.answered = uttered.answered or (uttered.text in asked.text)
        if self.hostile(0.3):
            if self.random.random() < 0.5:
                self.after(self.some(1.0), lambda: self.tell(moves.NotTaken(asked.turn, "chat.busy")))
            return
        reply = self.replies[f"r{asked.turn}"] = Owed(f"r{asked.turn}")
        delay = self.some(0.1, 0.1, 3.0, 8.0 * self.hostile())
        reply.given_up = delay >= TIMINGS.said
        self.after(delay, lambda: self._take(asked, reply))
        self._answer(reply, delay * self.random.choice((0.9, 1.0)))

    def _take(self, asked: moves.Say, reply: Owed) -> None:
        reply.taken = True
        self.tell(moves.Taken(asked.turn, reply.id))
        if self.hostile(0.2) and not reply.finished:
            self.tell(moves.Taken(asked.turn, reply.id))

    def _answer(self, reply: Owed, at: float) -> None:
        """Tools, words and an end, in order; now and then it is silent for ever, fails, or is stopped in the app."""
        at += self.some(0.3, 0.3, 2.0, 7.0)
        if self.hostile(0.2):
            return
        for _ in range(self.random.choice((0, 0, 1, 2))):
            self.after(at, lambda: self._tool(reply, began=True))
            at += self.some(0.5, 3.0, 10.0)
            self.after(at, lambda: self._tool(reply, began=False))
            at += self.some(0.5)
        words = self.random.choice((0, 3, 20)) if self.hostile() else self.random.choice((8, 12, 30))
        for first in range(0, words, 2):
            text = "".join(f"{reply.id}w{n}{'.' * (n % 4 == 3)} " for n in range(first, min(first + 2, words)))
            self.after(at, lambda text=text: self._delta(reply, text))  # type: ignore[misc]  # bound now
            at += self.some(0.02, 0.02, 0.5)
        state = self.random.choice(("complete", "failed", "interrupted")) if self.hostile() else "complete"
        self.after(at, lambda: self._complete(reply, state))

    def _delta(self, reply: Owed, text: str) -> None:
        if not reply.finished:
            reply.text += text
            self.tell(ReplySaid(reply.id, text))

    def _tool(self, reply: Owed, *, began: bool) -> None:
        if not reply.finished:
            reply.tools += 1 if began else -1
            reply.tool_since = self.now
            self.tell(ReplyTool(reply.id, began))

    def _complete(self, reply: Owed, state: str) -> None:
        reply.ended = True
        reply.cut = reply.cut or state == "interrupted"
        self.tell(ReplyEnded(reply.id, state, "model.error" if state == "failed" else None))  # type: ignore[arg-type]  # one of them

    def _finish(self, finish: moves.Finish) -> None:
        reply = self.replies.get(finish.reply_id)
        if reply is None or not reply.taken:
            raise Broken("finishes what nobody owes")
        if reply.finished:
            raise Broken("a reply is finished twice")
        reply.finished = True
        leaves = self._leaves_by < math.inf  # what is not said any more can be read
        ended = leaves or any(reason in {"user", "away"} for reason in self._reasons)
        reply.given_up = reply.given_up or bool(self._reasons & {"timeout", "voice.stuck"})
        if reply.tools and self.now - reply.tool_since < TIMINGS.tool_at_most and not ended and not reply.given_up:
            raise Broken("finished while a tool worked for it: its result is lost")
        heard = [word for word in reply.text.split() if self._was_heard(word)]
        if finish.heard is not None:
            self._check_kept(reply, finish.heard.text.split(), heard)
        elif ended:
            if heard and len(heard) < len(reply.text.split()) and not reply.shown and not leaves:
                raise Broken("some of it was heard, and all of it is kept")
        elif not reply.given_up and not reply.shown and (not reply.ended or heard != reply.text.split()):
            raise Broken(f"kept whole, but only this was heard: {heard}")

    def _check_kept(self, reply: Owed, kept: list[str], heard: list[str]) -> None:
        if not reply.shown and not set(kept) <= set(heard):
            raise Broken(f"kept, but never heard: {set(kept) - set(heard)}")
        reply.kept = kept

    def _was_heard(self, word: str) -> bool:
        return any(
            self.ear.has_heard(first, end)
            for line in self.lines.values()
            for spoken, first, end in line.words
            if spoken == word
        )

    # the speaker

    def _speak(self, asked: moves.Speak) -> None:
        """Sound comes in pieces; now and then it stalls or breaks off. What was hushed may still be on its way."""
        reply = self._reply_of(asked.text)
        if reply is not None and (reply.cut or reply.finished):
            raise Broken("is spoken though its turn was cut")
        self.lines[asked.generation, asked.line] = Line(asked.text)
        words = asked.text.split()
        at = 0.1 + self.some(0.3, 0.3, 2.0)
        fails = self.hostile(0.2)
        if fails and reply is not None:
            reply.shown = True
        piece = self.random.choice((2, 4, 4))
        for number in range(0, len(words) // 2 if fails else len(words), piece):
            sound = self._sound(asked, number, words[number : number + piece])
            self.after(at, lambda sound=sound: self.tell(sound))  # type: ignore[misc]  # bound now
            at += self.some(0.05, 1.0)
        made: moves.Event = moves.Made(asked.generation, asked.line)
        if fails:
            made = moves.NotMade(asked.generation, asked.line, "speech.error")
        if not fails or self.random.random() < 0.5:
            self.after(at, lambda: self.tell(made))

    def _sound(self, asked: moves.Speak, number: int, words: list[str]) -> moves.Sounded:
        length = PER_WORD * FRAME
        timed = tuple(Word(word, (number + n) * length, (number + n + 1) * length) for n, word in enumerate(words))
        return moves.Sounded(asked.generation, asked.line, bytes(960 * PER_WORD * len(words)), timed)

    def _play(self, play: moves.Play) -> moves.Event:
        if not play.last and self._hushed & {(play.generation, 0), (play.generation, play.line)}:
            raise Broken("sounds though it was hushed")
        line = self.lines[play.generation, play.line]
        for word in play.words:
            line.words.append((word.text, self.ear.queued, self.ear.queued + PER_WORD))
            self.ear.queued += PER_WORD
        return moves.Queued(play.generation, play.line, self.ear.queued, b"", play.words, play.last)

    def _cut(self, _: moves.Cut) -> None:
        sent = self._cut_at = self.ear.cut()
        self._cut_within = any(
            line.words and line.words[0][1] < sent < line.words[-1][2] for line in self.lines.values()
        )
        for line in self.lines.values():
            line.words = [word for word in line.words if word[2] <= sent]
        for reply in self.replies.values():
            reply.cut = reply.cut or (reply.taken and not reply.finished)

    def _reply_of(self, text: str) -> Owed | None:
        return self.replies.get(text.partition("w")[0]) if text.startswith("r") else None

    # the end

    def _check_end(self) -> None:
        if not self.over and (
            unfinished := [reply.id for reply in self.replies.values() if reply.taken and not reply.finished]
        ):
            raise Broken(f"never finished: {unfinished}")
        if not self.over and self._shown not in {"listening", "away"}:
            raise Broken(f"at the end it is {self._shown}")
        for reply in self.replies.values():
            heard = {word for word in reply.text.split() if self._was_heard(word)}
            if reply.kept is not None and not self.over and not heard <= set(reply.kept):
                raise Broken(f"heard, but not kept: {heard - set(reply.kept)}")
        for uttered in self.uttered:
            if uttered.kind == "words" and uttered.ended and not (uttered.answered or uttered.excused or self.over):
                raise Broken(f"nobody answers {uttered.text}")
