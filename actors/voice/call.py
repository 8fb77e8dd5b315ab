"""A call: one task that owns the peer, the ears, the requests and the timer, and does what its turns decide."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog

from actors.alarm import Alarm
from actors.domain.refusals import CallNotFound
from actors.runtime.actor import ChildEnded, Children
from actors.runtime.envelope import Envelope, Overloaded, Refused
from actors.runtime.ids import derived
from actors.runtime.mailbox import Mailbox
from actors.runtime.tracing import trace_id
from actors.voice import moves, requests
from actors.voice.endpointing import Endpointing, Found, Paused, Started
from actors.voice.line import Answered, Line, Moved, settle
from actors.voice.listening import Ears, Probability
from actors.voice.messages import Around, Candidate, Ended, FromSession, HangUp, Host, Offered
from actors.voice.models import Models
from actors.voice.traced import Traced
from actors.voice.turn import Turns
from actors.voice.words import SPELLS, patience

WAITING: Final = 2_000
"""Messages that wait for the call at most: one more, and it ends with `overloaded`."""

log = structlog.get_logger()


class Call:
    """`run` is the whole life of it; `tell` is how its session speaks to it."""

    def __init__(self, call_id: str, host: Host, around: Around, *, language: str, pauses: float | None = None) -> None:
        self.call_id = call_id
        self._host = host
        self._around = around
        self._mailbox = Mailbox(WAITING)
        self._children = Children(f"call/{call_id}", self._post)
        self._host_children = Children(f"call/{call_id}", self._post)
        self._voice = around.peers.voice()
        self._line = Line(around.peers, self._voice, self._children, self._post)
        self._ears = Ears(None if around.detector is None else around.detector.stream())
        self._models = Models(around, self._ears.microphone, self._children, language)
        self._endpointing = Endpointing(pauses)
        self._turns = Turns(around.timings, language)
        self._traced = Traced(call_id, around.begin_trace)
        self._owed: deque[moves.Say | moves.Finish] = deque()
        self._paying, self._payments = False, itertools.count()
        self._alarm = Alarm()
        self._patience = 0.0
        self._reason: str | None = None
        self._full = False
        self._on = self._handlers()
        self._do = self._doings()

    def tell(self, message: FromSession) -> None:
        """Never waits. Once the call has ended, an offer or candidate is refused and anything else is past."""
        try:
            self._mailbox.put(Envelope(message))
        except Overloaded as full:
            self._full = True
            settle(getattr(message, "reply", None), full)
        except Refused as ended:
            settle(getattr(message, "reply", None), ended)

    async def run(self) -> Ended:
        """Until it is hung up or nobody has been there for a minute. A bug in it ends it too: `failed`."""
        try:
            self._take(moves.Due())
            while self._reason is None:
                if self._full:
                    self._take(moves.HungUp(Overloaded.code))
                    break
                envelope = self._mailbox.take()
                if envelope is None:
                    await self._mailbox.more()
                    continue
                self._receive(envelope.message)
        except Exception:
            log.exception("call.failed")
        finally:
            await self._close()
        return Ended(self._reason or "failed", self._endpointing.mean)

    # what arrives

    def _handlers(self) -> dict[type, Callable[[Any], None]]:
        """What is not for the turns, or not only."""
        patience = self._around.timings.connect
        return {
            Offered: lambda offer: self._line.offered(offer, patience),
            Candidate: self._line.candidate,
            Answered: self._answered,
            Moved: self._moved,
            HangUp: lambda hang_up: self._take(moves.HungUp(hang_up.reason, hang_up.gently)),
            Probability: self._hear,
            requests.Judged: self._judged,
            moves.Transcribed: self._transcribed,
            ChildEnded: self._child_ended,
        }

    def _post(self, message: Any) -> None:
        """From a child, the timer or the peer."""
        if self._reason is None:
            self._mailbox.put_control(Envelope(message))

    def _receive(self, message: Any) -> None:
        handler = self._on.get(type(message))
        if handler is not None:
            handler(message)
        else:
            self._take(message)

    def _take(self, event: moves.Event) -> None:
        """Let the turns decide, and do what they want done."""
        now = asyncio.get_running_loop().time()
        events = deque([event])
        while events:
            for action in self._turns.take(events.popleft(), now, self._voice.progress()):
                follows = self._do[type(action)](action)
                if follows is not None:
                    events.append(follows)
        self._alarm.set(self._turns.due, self._ring)

    def _answered(self, answered: Answered) -> None:
        for event in self._line.answered(answered):
            self._take(event)
        if self._line.peer is not None and answered.epoch == self._line.epoch:
            self._children.cancel("listen")
            listening = self._ears.listen(self._line.peer, self._line.epoch, self._post)
            self._children.spawn("listen", listening)

    def _moved(self, moved: Moved) -> None:
        for event in self._line.moved(moved):
            if isinstance(event, moves.Lost):
                self._endpointing.drop()
            self._take(event)

    def _hear(self, heard: Probability) -> None:
        if heard.epoch != self._line.epoch:
            return
        for found in self._endpointing.window(heard.value, heard.sample, heard.at):
            self._found(found)

    def _found(self, found: Found) -> None:
        match found:
            case Started():
                self._patience = 0.0
            case Paused(segment=segment):
                self._endpointing.hint(segment, self._patience)
                self._models.judge(segment)
        self._take(moves.Perceived(self._line.epoch, found))

    def _judged(self, judged: requests.Judged) -> None:
        if judged.finished is not None:
            self._endpointing.judge(judged.segment, judged.finished)

    def _transcribed(self, transcribed: moves.Transcribed) -> None:
        """What ends in digits or a thought is waited for; of words so far, the last may not have been heard yet."""
        wait = patience(transcribed.text)
        if transcribed.interim:
            self._patience = min(wait, SPELLS)
        else:
            self._endpointing.hint(transcribed.segment, wait)
        self._take(transcribed)

    def _child_ended(self, ended: ChildEnded) -> None:
        if ended.name == "candidate":
            self._line.add_candidates()
        if ended.error is not None:
            log.error("call.child_failed", child=ended.name, exc_info=ended.error)
        elif ended.result is not None:
            self._receive(ended.result)

    # what is done

    def _doings(self) -> dict[type, Callable[[Any], moves.Event | None]]:
        return {
            moves.Transcribe: self._transcribe,
            moves.Measure: lambda asked: self._models.measure(asked, self._endpointing.voiced),
            moves.Say: self._say,
            moves.Finish: self._owe,
            moves.Speak: lambda asked: self._models.speak(asked, self._post),
            moves.Hush: self._models.hush,
            moves.Play: self._play,
            moves.Pause: lambda _: self._voice.pause(),
            moves.Resume: lambda resume: self._voice.resume(resume.frame),
            moves.Cut: self._cut,
            moves.Caption: self._caption,
            moves.Show: self._show,
            moves.Timeline: self._timeline,
            moves.End: self._end,
        }

    def _play(self, play: moves.Play) -> moves.Event:
        """A line that is longer than the voice takes is no sentence: the rest of it is only shown."""
        try:
            frames = self._voice.play(play.pcm)
        except Overloaded:
            return moves.NotMade(play.generation, play.line, "speech.garbage")
        if play.last:
            frames = self._voice.end_phrase()
        return moves.Queued(play.generation, play.line, frames, play.pcm, play.words, play.last)

    def _cut(self, _: moves.Cut) -> None:
        self._voice.cut()
        if self._line.peer is not None:
            self._line.peer.ask_heard()

    def _transcribe(self, asked: moves.Transcribe) -> moves.Event | None:
        self._traced.follow(asked.turn)
        return self._models.transcribe(asked)

    def _say(self, say: moves.Say) -> None:
        self._traced.follow(say.turn)
        self._owe(say)

    def _owe(self, owed: moves.Say | moves.Finish) -> None:
        self._owed.append(owed)
        if not self._paying:
            self._paying = True
            self._host_children.spawn(f"host {next(self._payments)}", self._pay())

    async def _pay(self) -> None:
        """Tell the session, one thing after another: what was heard comes before what is said next."""
        try:
            while self._owed:
                owed = self._owed.popleft()
                trace_id.set(self._traced.trace)
                if isinstance(owed, moves.Say):
                    self._post(await requests.say(self._host, owed, self._turn_id(owed.turn)))
                else:
                    await requests.finish(self._host, owed)
        finally:
            self._paying = False  # at once: a task that has ended is a child for a moment yet

    def _caption(self, caption: moves.Caption) -> None:
        shown = {"side": caption.side, "text": caption.text, "final": caption.final}
        self._signal("caption", {"turn_id": self._turn_id(caption.turn), **shown})

    def _show(self, show: moves.Show) -> None:
        self._signal("call.state", {"state": show.state} | ({"reason": show.reason} if show.reason else {}))

    def _timeline(self, timeline: moves.Timeline) -> None:
        self._traced.tell(timeline.turn, timeline.stages)
        self._signal("call.turn", {"turn_id": self._turn_id(timeline.turn), "stages": timeline.stages})

    def _end(self, end: moves.End) -> None:
        self._reason = end.reason

    def _signal(self, name: str, fields: dict[str, Any]) -> None:
        self._host.signal(name, {"call_id": self.call_id, **fields})

    def _turn_id(self, turn: int) -> str:
        return derived(self.call_id, str(turn))

    def _ring(self) -> None:
        self._post(moves.Due())

    # the end

    async def _close(self) -> None:
        """Bounded: what is owed to the session is told, the peer closed, the children ended. Cut off, it has failed."""
        if self._reason is None:
            self._reason = "failed"
            self._show(moves.Show("ended", self._reason))
        self._alarm.clear()
        for envelope in self._mailbox.close(CallNotFound()):
            settle(getattr(envelope.message, "reply", None), CallNotFound())
        ending = self._around.timings.ending
        await self._children.end(0)
        try:
            async with asyncio.timeout(ending):
                await self._line.close()
        except TimeoutError:
            log.warning("call.peer_closed_late")
        finally:
            self._ears.close()
            self._traced.close()
            if await self._host_children.end(ending):
                log.warning("call.ended_late", owed=len(self._owed))
