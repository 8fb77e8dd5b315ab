"""The coach's side of a call: what was said to the session, the reply it owes, and that it is spoken or explained."""

import math
from collections.abc import Iterator
from typing import Final

from actors.media import FRAME
from actors.voice import moves
from actors.voice.messages import Heard, ReplyEnded
from actors.voice.moment import Deadline, Moment
from actors.voice.phrases import LATE, THINKING, WORKING, phrase
from actors.voice.reply import Cut, FromReply, Reply, Said
from actors.voice.sentences import Sentence
from actors.voice.silence import Silence
from actors.voice.speaking import Line, Speaking
from actors.voice.timeline import Marks
from actors.voice.timings import Timings

TAIL: Final = int(1.0 / FRAME)
"""Frames before the end of a reply in which a nod is an answer."""
POLL: Final = 0.04
"""Seconds between two looks at how far the voice has come, until it is known when its first frame was heard."""
TIMED_OUT: Final = "timeout"


class Coach:
    """Lives in the turns of one call."""

    def __init__(self, moment: Moment, timings: Timings, language: str) -> None:
        self.speaking = Speaking(timings)
        self._moment = moment
        self._timings = timings
        self._language = language
        self.turn = 0
        """The user's turn that is being answered."""
        self._said: Said | None = None
        self._reply: Reply | None = None
        self._cut: Cut | None = None
        self._silence = Silence(timings)

    # how things are

    @property
    def is_sounding(self) -> bool:
        return self.speaking.is_sounding(self._moment.now, self._moment.progress)

    @property
    def is_working(self) -> bool:
        """A tool works for the reply."""
        return self._reply is not None and self._reply.tools > 0

    @property
    def owes(self) -> bool:
        """Something is to be heard that the voice does not have yet."""
        said = self._said is not None and not self._said.cut
        return said or self._reply is not None or self.speaking.busy

    @property
    def has_begun(self) -> bool:
        """Some of the reply was spoken."""
        return self._reply is not None and self._reply.first_frame is not None

    @property
    def settled(self) -> bool:
        """Nothing stands in the way of telling the session something new."""
        return self._said is None and self._cut is None and self._reply is None

    @property
    def nearly_over(self) -> bool:
        """What is left is so short that whoever nods answers it."""
        over = self._reply is None or self._reply.ended
        return over and not self.speaking.busy and self.speaking.left(self._moment.progress) <= TAIL

    @property
    def looks_at(self) -> float:
        """When it is to be looked again how far the voice has come, while it sounds."""
        if self._reply is not None and not self._reply.marks.closed:
            return self._moment.now + POLL
        return self.speaking.looks_at(self._moment.now, self._moment.progress)

    @property
    def is_between_sentences(self) -> bool:
        return self._said is None and self.speaking.last_ends_at(self._moment.progress) is None

    @property
    def sentence_ends_at(self) -> float:
        """When that is to be looked at again."""
        frames = self.speaking.last_ends_at(self._moment.progress)
        return math.inf if frames is None else self._moment.now + max(1, frames) * FRAME

    # what it is asked to do

    def tell(self, turn: int, text: str, marks: Marks) -> None:
        """Give the session what the user said, and speak what it answers."""
        self.turn = turn
        self._said = Said(turn, self._moment.now, marks)
        self._moment.do(moves.Say(turn, text))

    def phrase(self, kind: str, turn: int | None = None, number: int = 0) -> None:
        """Say something of our own accord."""
        self.turn = self.turn if turn is None else turn
        self.speaking.say(phrase(kind, self._language, number))

    def wait(self) -> None:
        """The silence until now was not the coach's."""
        self._silence.begin(self._moment.now)

    def resume(self, *, back: bool = False) -> None:
        """Go on with what has not been heard. `back`: the user has been away."""
        unsure = back and self._reply is not None
        frame = self.speaking.resume(self._moment.now, self._moment.progress, unsure=unsure)
        self._silence.resumed(self._moment.now)
        self._moment.do(moves.Resume(frame))

    def cut(self) -> None:
        """Say nothing more of this; the session is told how much was heard as soon as that is known."""
        now, progress = self._moment.now, self._moment.progress
        told, generation = self.speaking.told(now, progress)[0], self._fall_silent()
        if self._said is not None:
            self._said.cut = True
        if self._reply is not None:
            until, tools_until = now + self._timings.settle, now + self._timings.tool_at_most
            self._cut, self._reply = Cut(self._reply, generation, progress.sent, told, until, tools_until), None

    def come_to_an_end(self) -> None:
        """Say nothing more after the sentence that is being said."""
        line = self.speaking.come_to_an_end(self._moment.progress)
        if line is not None:
            self._moment.do(moves.Hush(self.speaking.generation, line.number))

    def end(self, *, in_writing: bool) -> None:
        """The call is over: what was heard of the reply is kept, all of it where nothing was, or where it is to go on."""
        if self._cut is not None:
            self._settle_cut()
        if self._reply is not None:
            told, estimated = self.speaking.told(self._moment.now, self._moment.progress)
            text = self._reply.text[:told].rstrip()
            whole = in_writing or not text or (self._reply.ended and text == self._reply.text.rstrip())
            self._finish(None if whole else Heard(text, estimated))

    # what happens

    def taken(self, taken: moves.Taken) -> None:
        """What was cut before it was taken ends unheard; what is taken too late is answered in the chat."""
        said, now = self._said, self._moment.now
        cut = self._cut.reply if self._cut is not None else None
        if taken.reply_id in {reply.id for reply in (self._reply, cut) if reply is not None}:
            return
        if said is None or said.turn != taken.turn:
            self._moment.do(moves.Finish(taken.reply_id, None))
            return
        self._said = None
        reply = Reply(taken.reply_id, taken.turn, now, said.marks)
        if said.cut:
            self._cut = Cut(reply, 0, 0, 0, now, now + self._timings.tool_at_most)
        else:
            self._reply = reply
        for event in said.early.get(taken.reply_id, ()):
            self.hear_of(event)

    def not_taken(self, failed: moves.NotTaken) -> None:
        if self._said is not None and self._said.turn == failed.turn:
            self._not_said(failed.code)

    def hear_of(self, event: FromReply) -> None:
        """The session's news of a reply: of the one in hand, of the one that was cut, or of one that may become ours."""
        if self._cut is not None and event.reply_id == self._cut.reply.id:
            self._cut.reply.note(event, self._moment.now)
        elif self._reply is not None and event.reply_id == self._reply.id:
            self._add(self._reply, self._reply.note(event, self._moment.now))
            if isinstance(event, ReplyEnded):
                self._ended(self._reply, event)
        elif self._said is not None:
            self._said.keep(event)

    def sounded(self, sounded: moves.Sounded) -> None:
        line = self.speaking.in_hand(sounded.generation, sounded.line)
        if line is None:
            return
        if self.speaking.sounded(line, self._moment.now, self._moment.progress):
            self._begin(line)
        self._moment.do(moves.Play(sounded.generation, sounded.line, sounded.pcm, sounded.words))

    def made(self, made: moves.Made | moves.NotMade) -> None:
        """The line's sound is whole; what could not be made is shown, and so is all that follows in this reply."""
        line = self.speaking.ended(made.generation, made.line)
        if line is None:
            return
        if self.speaking.has_sound(line):
            self._moment.do(moves.Play(made.generation, made.line, b"", last=True))
        if isinstance(made, moves.NotMade):
            self._moment.problem = made.code
            self.speaking.mute(line, made.code)
            if not self.speaking.has_sound(line):
                self._begin(line)

    # what has become due

    def deadlines(self, *, there: bool, awaited: bool) -> Iterator[Deadline]:
        """When what must happen at the latest. `there`: the user listens; `awaited`: there is an answer to be given."""
        if self._said is not None:
            yield self._said.at + self._timings.said, self._not_said
        if self._cut is not None:
            yield self._cut.settled_by(self._moment.now, self._moment.progress), self._settle_cut
        yield self.speaking.made_by, self._stop_making
        if not there:
            return
        if self.is_sounding:
            yield self._silence.stuck_at, self._stuck
        elif (awaited or self._said or self._reply) and not self.speaking.busy:
            tool_since = self._reply.sign_at if self._reply is not None and self._reply.tools else None
            yield self._silence.filler_at(tool_since), self._fill
        if self._reply is not None and not self._reply.ended:
            patience = self._timings.tool_at_most if self._reply.tools else self._timings.reply
            yield self._reply.sign_at + patience, self._late

    def go_on(self, *, there: bool) -> None:
        """Make the next line; come to the end of what has been heard."""
        moment, speaking = self._moment, self.speaking
        while (line := speaking.next(moment.now, moment.progress)) is not None:
            if speaking.makes(line):
                self._moment.do(moves.Speak(speaking.generation, line.number, line.spoken))
            elif line.spoken:
                self._begin(line)
        sounds, reply = self.is_sounding, self._reply
        if reply is not None:
            if reply.follow(moment.now, moment.progress):
                self._tell_timeline(reply)
            if reply.ended and there and not speaking.busy and not sounds:
                self._finish(None)
        self._silence.listen(moment.now, moment.progress, sounds=sounds, there=there)

    # within

    def _fall_silent(self) -> int:
        """Answers the generation that was cut."""
        generation = self.speaking.cut(self._moment.progress)
        self._moment.cut()
        self._moment.do(moves.Hush(generation))
        return generation

    def _explain(self, code: str) -> None:
        """What went wrong is shown, and said."""
        self._moment.problem = code
        self.phrase(code)

    def _add(self, reply: Reply, sentences: list[Sentence]) -> None:
        for sentence in sentences:
            reply.marks.mark("first_sentence", self._moment.now)
            self.speaking.say(sentence.text, reply.text[sentence.start : sentence.end], sentence.start)

    def _ended(self, reply: Reply, ended: ReplyEnded) -> None:
        """A reply that somebody stopped is not spoken on; one without a word is explained."""
        if ended.state == "interrupted":
            self.cut()
        elif not reply.text.strip():
            self._explain(ended.problem or "model.empty")

    def _begin(self, line: Line) -> None:
        """The line is heard, or shown, from now on."""
        reply = self._reply
        if reply is not None and line.written:
            text = reply.begin(line, self._moment.now, self._moment.progress)
            self._moment.do(moves.Caption(reply.turn, "coach", text, final=False))
        elif line.spoken:
            self._moment.do(moves.Caption(self.turn, "coach", line.spoken, final=reply is None))

    def _tell_timeline(self, reply: Reply) -> None:
        if not reply.marks.closed:
            reply.marks.closed = True
            self._moment.do(moves.Timeline(reply.turn, reply.marks.stages()))

    def _finish(self, heard: Heard | None) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            self.speaking.end()
            self._tell_finished(reply, heard)

    def _tell_finished(self, reply: Reply, heard: Heard | None) -> None:
        text = reply.text.rstrip() if heard is None else heard.text
        self._moment.do(moves.Finish(reply.id, heard), moves.Caption(reply.turn, "coach", text, final=True))
        self._tell_timeline(reply)

    def _settle_cut(self) -> None:
        cut, self._cut = self._cut, None
        if cut is not None:
            progress = self._moment.progress
            heard = max(cut.told, self.speaking.playout.heard(cut.generation, min(progress.heard, cut.sent)))
            self._tell_finished(cut.reply, Heard(cut.reply.text[:heard].rstrip(), not progress.confirmed))

    def _not_said(self, code: str = TIMED_OUT) -> None:
        said, self._said = self._said, None
        if said is not None and not said.cut:
            self._explain(code)

    def _stop_making(self) -> None:
        line = self.speaking.making
        if line is not None:
            self._moment.do(moves.Hush(self.speaking.generation, line.number))
            self.made(moves.NotMade(self.speaking.generation, line.number, "speech.timeout"))

    def _late(self) -> None:
        """The reply is waited for no longer: its text comes to the chat when it comes."""
        self._stop_making()
        self._finish(None)
        self._moment.problem = TIMED_OUT
        self.phrase(LATE)

    def _stuck(self) -> None:
        """The voice does not go out: what it had to say can only be read."""
        self._fall_silent()
        self._moment.problem = "voice.stuck"
        self._finish(None)

    def _fill(self) -> None:
        self.phrase(WORKING if self.is_working else THINKING, number=self._silence.fillers)
        self._silence.filled(self._moment.now)
