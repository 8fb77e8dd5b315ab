"""The user's call: one at a time, a child of the session that outlives its peer connections and its devices."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
import structlog

from actors.commands import LearnPauses, SayMessage
from actors.domain import rate_limit
from actors.domain.addresses import owner
from actors.domain.conversation import COACH, MessageState
from actors.domain.refusals import CallBusy, CallNotFound, NoCalls
from actors.journal.journal import Outside
from actors.journal.journaled import Accepted, Order
from actors.questions import AddCandidate, CallAnswered, EndCall, OfferCall
from actors.runtime.actor import ChildEnded, Children
from actors.runtime.envelope import Refused, Unavailable
from actors.runtime.ids import derived, uuid7
from actors.runtime.ref import Ref
from actors.session.answering import Answering
from actors.session.prompt import Seen, ahead
from actors.session.reading import READING, read
from actors.session.state import State
from actors.session.surroundings import Surroundings
from actors.voice.call import Call
from actors.voice.figures import Figures
from actors.voice.messages import Candidate, Ended, HangUp, Heard, Offered, ReplyEnded, ReplySaid, ReplyTool

PREFIX: Final = "call:"
"""Before the id of the call in the name of its child."""
WITHIN: Final = 5.0
"""Seconds the session has to take what a call tells it."""

log = structlog.get_logger()


class Said(msgspec.Struct, frozen=True):
    """The user has said this in that call; answered with the id of the reply that is owed."""

    call_id: str
    text: str
    cid: str


class Played(msgspec.Struct, frozen=True):
    """A spoken reply has been played: to its end, or as far as was heard."""

    reply_id: str
    heard: Heard | None


class Host(Protocol):
    """The session, as far as its call needs it."""

    address: str
    state: State
    me: Ref
    children: Children
    surroundings: Surroundings
    answering: Answering
    outside: Outside

    async def accept(self, order: Order) -> Accepted: ...

    def seen(self) -> Seen: ...

    def may_ask_models(self) -> bool: ...


class Line:
    """`voice.messages.Host`: a call asks its session like anybody else, and pushes signals itself."""

    def __init__(self, host: Host, call_id: str, figures: Figures) -> None:
        self._call_id = call_id
        self._figures = figures
        self._me = host.me
        self._address = host.address
        self._outbox = host.surroundings.outbox
        self._state: Mapping[str, Any] | None = None

    async def say(self, text: str, cid: str) -> str:
        reply_id: str = await self._me.ask(Said(self._call_id, text, cid), timeout=WITHIN)
        return reply_id

    async def finish(self, reply_id: str, heard: Heard | None) -> None:
        await self._me.ask(Played(reply_id, heard), timeout=WITHIN)

    def signal(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - as in the port
        self._outbox.signal(self._address, type, data)
        if type == "call.state":
            self._state = data
        elif type == "call.turn":
            self._figures.answered(data["stages"])
            took = " + ".join(f"{stage} {milliseconds}" for stage, milliseconds in data["stages"].items())
            log.info("call.turn", call_id=self._call_id, turn_id=data["turn_id"], milliseconds=took)

    def catch_up(self, connection: str) -> None:
        """A device that joins in the middle of a call is told how it is."""
        if self._state is not None:
            self._outbox.signal(self._address, "call.state", self._state, connection=connection)


class Answer:
    """`envelope.Reply` of an offer: the asker of the session is told, with the call's id."""

    def __init__(self, calls: "Calls", call_id: str, *, first: bool) -> None:
        self.asker: asyncio.Future[CallAnswered] = asyncio.get_running_loop().create_future()
        self._calls = calls
        self._call_id = call_id
        self._first = first

    def done(self) -> bool:
        return self.asker.done()

    def set_result(self, sdp: str, /) -> None:
        self.asker.set_result(CallAnswered(self._call_id, sdp))

    def set_exception(self, exception: Refused, /) -> None:
        """A call whose very first offer is refused has not begun."""
        self.asker.set_exception(exception)
        if self._first:
            self._calls.refused(self._call_id, exception.code)


class Calls:
    """At most one call lives. Lives in its session's task."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._call: Call | None = None
        self._line: Line | None = None
        self._at_most: asyncio.TimerHandle | None = None
        self._figures: dict[str, Figures] = {}
        """Where each call is counted that has not come to its end."""
        self._call_id = ""
        self._device = ""
        self._due = rate_limit.FULL
        self._leaving = False

    # What devices ask.

    async def offer(self, message: OfferCall) -> "asyncio.Future[CallAnswered]":
        """What is answered is done once the peer has its answer. Raises as `OfferCall` says."""
        around = self._host.surroundings
        if around.calls is None:
            raise NoCalls
        if self._leaving:
            raise Unavailable(retry_after_ms=250)
        if message.call_id is not None and message.call_id != self._call_id:
            raise CallNotFound
        if self._call is not None and message.device != self._device and not message.take_over:
            raise CallBusy
        self._due = rate_limit.taken(around.offer_limit, self._due, asyncio.get_running_loop().time())
        first = self._call is None
        call = self._call or self._begin()
        self._device = message.device
        answer = Answer(self, self._call_id, first=first)
        call.tell(Offered(message.sdp, answer))
        return answer.asker

    async def candidate(self, message: AddCandidate) -> "asyncio.Future[None]":
        added: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call = self._of(message.call_id)
        call.tell(Candidate(message.candidate, message.sdp_mid, message.sdp_mline_index, added))
        return added

    async def end(self, message: EndCall) -> None:
        self._of(message.call_id)
        self.hang_up("user")

    def hang_up(self, reason: str) -> None:
        """The call that lives comes to its end by itself; meanwhile another may begin."""
        if self._call is not None:
            self._call.tell(HangUp(reason))
            self._forget()

    def leave(self) -> None:
        """The session is to go on at another node: so are calls, once the sentence that is being said is over."""
        self._leaving = True
        if self._call is not None:
            self._call.tell(HangUp("draining", gently=True))

    def catch_up(self, connection: str) -> None:
        if self._line is not None:
            self._line.catch_up(connection)

    def refused(self, call_id: str, code: str) -> None:
        """The offer with which that call began."""
        if call_id == self._call_id:
            self.hang_up(code)

    def close(self) -> None:
        """The session is over, and what calls are left with it."""
        self._forget()
        for figures in self._figures.values():
            figures.came_to_end("left")

    # What the call tells.

    async def said(self, message: Said) -> str:
        """Raises what `SayMessage` is refused with."""
        host = self._host
        accepted = await host.accept(Order(owner(host.address), message.cid, SayMessage(message.text)))
        reply_id: str = accepted.answer["reply_id"] if accepted.repeated else accepted.answer.reply_id
        if message.call_id == self._call_id and reply_id in host.state.owed:
            host.answering.speak(reply_id, message.call_id)
        return reply_id

    async def played(self, message: Played) -> None:
        await self._host.answering.played(message.reply_id, message.heard)
        if self._call is not None:
            self._read_ahead()

    async def ended(self, child: ChildEnded) -> None:
        """What it said and nobody says was heard is kept as text; what it learned is kept for the next one."""
        call_id = child.name.removeprefix(PREFIX)
        if call_id == self._call_id:
            self._forget()
        if child.error is not None:
            log.error("call.crashed", exc_info=child.error)
        ended = child.result if isinstance(child.result, Ended) else Ended("failed")
        log.info("call.ended", call_id=call_id, reason=ended.reason)
        self._figures.pop(call_id).came_to_end(ended.reason)
        await self._host.answering.fall_back_to_text(call_id)
        if ended.pauses is not None:
            cid = derived(call_id, "pauses")
            await self._host.accept(Order(COACH, cid, LearnPauses(ended.pauses)))
        if self._leaving:
            self._host.answering.leave()

    # What the reply tells.

    def reply_said(self, reply_id: str, text: str) -> None:
        if self._call is not None:
            self._call.tell(ReplySaid(reply_id, text))

    def reply_uses_tool(self, reply_id: str, *, began: bool) -> None:
        if self._call is not None:
            self._call.tell(ReplyTool(reply_id, began))

    def reply_ended(self, reply_id: str, state: MessageState, problem: str | None) -> None:
        if self._call is not None:
            self._call.tell(ReplyEnded(reply_id, state, problem))

    def _forget(self) -> None:
        self._call, self._line, self._call_id, self._device = None, None, "", ""
        if self._at_most is not None:
            self._at_most.cancel()

    def _of(self, call_id: str) -> Call:
        if self._call is None or call_id != self._call_id:
            raise CallNotFound
        return self._call

    def _begin(self) -> Call:
        """Raises NoCalls, Overloaded."""
        host, profile = self._host, self._host.state.profile
        if host.surroundings.calls is None or profile is None:
            raise NoCalls
        around = host.surroundings.calls()
        around.admit()
        self._call_id = uuid7(host.outside.timers.now())
        language = profile.preferences.language
        self._line = Line(host, self._call_id, around.figures)
        call = self._call = Call(self._call_id, self._line, around, language=language, pauses=host.state.pauses)
        host.children.spawn(PREFIX + self._call_id, call.run())
        self._read_ahead()
        around.figures.began()
        self._figures[self._call_id] = around.figures
        longest = around.timings.longest
        self._at_most = asyncio.get_running_loop().call_later(longest, call.tell, HangUp("too_long"))
        return call

    def _read_ahead(self) -> None:
        host, around = self._host, self._host.surroundings
        if around.reads_ahead and around.models and host.may_ask_models() and READING not in host.children:
            turns = ahead(around.prompts.coach, host.seen(), around.prompts.budget)
            host.children.spawn(READING, read(around.models[0], turns))
