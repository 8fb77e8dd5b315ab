"""The one reply in hand: begun when it is owed, pushed as it is said, committed when it ends, made again if it must be."""

import asyncio
from functools import partial
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from actors.commands import CallTool, FinishReply
from actors.domain import rate_limit
from actors.domain.conversation import COACH, OFFLINE, MessageState, OwedReply
from actors.domain.refusals import NotFound
from actors.journal.journaled import Accepted, Order
from actors.runtime.actor import ChildEnded, Children
from actors.runtime.envelope import Overloaded, Refused, TimedOut, Unavailable
from actors.runtime.ids import derived
from actors.runtime.ref import Ref
from actors.session import replies
from actors.session.budget import cost
from actors.session.desk import Chosen, Desk, Said, UseTool
from actors.session.problems import GAP, apology
from actors.session.prompt import Seen, turns
from actors.session.state import State
from actors.session.surroundings import Surroundings
from actors.voice.messages import Heard
from actors.work import tools
from actors.work.history import before

AGAIN_AFTER: Final = 1.0
GIVE_UP_AFTER: Final = 3
_PAUSE: Final = "reply.pause"

log = structlog.get_logger()


class Speaks(Protocol):
    """The call, as far as it speaks replies; nothing when there is none."""

    def reply_said(self, reply_id: str, text: str) -> None: ...

    def reply_uses_tool(self, reply_id: str, *, began: bool) -> None: ...

    def reply_ended(self, reply_id: str, state: MessageState, problem: str | None) -> None: ...


class Host(Protocol):
    """The session, as far as answering needs it."""

    address: str
    state: State
    me: Ref
    children: Children
    stopping: Refused | None
    surroundings: Surroundings

    @property
    def calls(self) -> Speaks: ...

    async def accept(self, order: Order) -> Accepted: ...

    def seen(self) -> Seen: ...

    def may_ask_models(self) -> bool: ...


class Answering:
    """Replies are made one after another, in the order they became owed. Lives in its session's task.

    A spoken one is committed when it has been played, as far as it was heard: what nobody heard was not said.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._said = self._by = ""
        self._in_hand: OwedReply | None = None
        self._finished: dict[str, FinishReply] = {}
        """What is made and not committed yet: not made anew for want of the log."""
        self._spoken: dict[str, str] = {}
        """Which call speaks it."""
        self._unplayed: dict[str, FinishReply] = {}
        """What is made and not played to its end: the next reply does not wait for that."""
        self._failures = 0
        self._reply_due = rate_limit.FULL

    @property
    def answered_by(self) -> str:
        """Who speaks, or would."""
        models = self._host.surroundings.models
        return self._by or (models[0].name if models else OFFLINE)

    def said_of(self, reply_id: str) -> str:
        """What has been said of a reply so far."""
        return self._said if self._is_in_hand(reply_id) else ""

    def cost_of(self, reply_id: str) -> int:
        """What a reply has cost so far, by estimate; nothing before it has said anything."""
        said, prompts = self.said_of(reply_id), self._host.surroundings.prompts
        if not said or self._by == OFFLINE:
            return 0
        return cost(turns(prompts.coach, *self._see(reply_id), prompts.budget), said)

    def settle(self) -> None:
        """Begin what is owed, if nothing is in hand; fall silent if what is in hand is owed no more."""
        host = self._host
        if self._in_hand is not None and self._in_hand.reply_id not in host.state.owed:
            self._fall_silent()
        for made in (self._finished, self._unplayed):
            for reply_id in made.keys() - host.state.owed.keys():
                del made[reply_id]
        owed = (
            owed for reply_id, owed in host.state.owed.items() if reply_id not in {*self._unplayed, *self._finished}
        )
        reply = next(owed, None)
        if reply is None or self._in_hand is not None or _PAUSE in host.children or self._is_early():
            return
        self._in_hand = reply
        around = host.surroundings
        chosen = Chosen(around.models) if host.may_ask_models() else Chosen((), "budget")
        desk = Desk(reply, host.me, chosen, around.prompts, partial(self._see, reply.reply_id))
        host.children.spawn(reply.reply_id, replies.answer(reply, desk))

    def catch_up(self, connection: str) -> None:
        """A device that joins in the middle of replies gets the text so far of each as one delta."""
        texts = {finish.reply_id: finish.text for finish in self._unplayed.values()}
        if self._in_hand is not None and self._said:
            texts[self._in_hand.reply_id] = self._said
        for reply_id, text in texts.items():
            delta = {"message_id": reply_id, "index": 0, "text": text}
            self._host.surroundings.outbox.signal(self._host.address, "reply.delta", delta, connection=connection)

    async def push_said(self, said: Said) -> None:
        if not self._is_in_hand(said.reply_id):
            return
        delta = {"message_id": said.reply_id, "index": len(self._said), "text": said.text}
        self._said += said.text
        self._by = said.by
        self._host.surroundings.outbox.signal(self._host.address, "reply.delta", delta)
        if said.reply_id in self._spoken:
            self._host.calls.reply_said(said.reply_id, said.text)

    def speak(self, reply_id: str, call_id: str) -> None:
        """It is spoken in that call."""
        self._spoken[reply_id] = call_id

    async def played(self, reply_id: str, heard: Heard | None) -> None:
        """It was played to its end, or cut, and `heard` is what of it reached the user: that is what was said.

        What is not made yet, and was not cut, is waited for no longer: it is written when it is.
        """
        if self._spoken.pop(reply_id, None) is None or reply_id not in self._host.state.owed:
            return
        finish = self._unplayed.pop(reply_id, None)
        if heard is not None:
            finish = finish or self._cut_short(reply_id)
            finish = replace(finish, text=heard.text, state="interrupted", estimated=heard.estimated)
        if finish is not None:
            await self._finish(replace(finish, spoken=True))

    async def fall_back_to_text(self, call_id: str) -> None:
        """That call is over: what it did not finish is written, as a whole."""
        self._spoken = {reply: call for reply, call in self._spoken.items() if call != call_id}
        for reply_id in self._unplayed.keys() - self._spoken.keys():
            finish = self._unplayed.pop(reply_id, None)
            if finish is not None:  # it was owed until now
                await self._finish(finish)

    def leave(self) -> None:
        """What is not made yet is made elsewhere, at once: the caller waits there."""
        self._fall_silent()

    def _cut_short(self, reply_id: str) -> FinishReply:
        """While it was made, or before."""
        self._host.children.cancel(reply_id)
        return FinishReply(reply_id, "", "interrupted", self.answered_by, tokens=self.cost_of(reply_id))

    async def use_tool(self, message: UseTool) -> str:
        """A tool call of the model is the same command an app would send, with the user's own rights."""
        spoken = message.reply_id in self._spoken
        if spoken:
            self._host.calls.reply_uses_tool(message.reply_id, began=True)
        try:
            return await self._use_tool(message)
        finally:
            if spoken:
                self._host.calls.reply_uses_tool(message.reply_id, began=False)

    async def _use_tool(self, message: UseTool) -> str:
        host, reply_id, call = self._host, message.reply_id, message.call
        if reply_id not in host.state.owed:
            raise NotFound
        earlier = before(host.state.history, host.state.owed[reply_id].message_id)
        asked = tools.parse(call.name, call.arguments, host.state.goals, earlier)
        if isinstance(asked, tools.ToolAnswer):
            return asked.result
        command = CallTool(reply_id, call.call_id, call.name, call.arguments, asked)
        accepted = await host.accept(Order(COACH, derived(call.call_id, "tool"), command))
        answer = accepted.answer
        return str(answer["result"] if accepted.repeated else answer.result)

    async def child_ended(self, ended: ChildEnded) -> None:
        """A finished reply is committed, any other one made again after a pause. One that was stopped meanwhile is past."""
        if self._in_hand is not None and ended.name == self._in_hand.reply_id:
            await self._ended(self._in_hand, ended)
        else:
            for finish in list(self._finished.values()):
                await self._finish(finish)
            self.settle()

    def is_spoken(self, reply_id: str) -> bool:
        """In a call, which tells what of it was heard."""
        return reply_id in self._spoken

    def _is_in_hand(self, reply_id: str) -> bool:
        return self._in_hand is not None and self._in_hand.reply_id == reply_id

    def _see(self, reply_id: str) -> tuple[Seen, OwedReply]:
        owed = self._host.state.owed
        if reply_id not in owed:
            raise NotFound
        return self._host.seen(), owed[reply_id]

    def _is_early(self) -> bool:
        """Whether the next reply would be one too many a minute; it is begun as soon as it is not."""
        limit, now = self._host.surroundings.reply_limit, asyncio.get_running_loop().time()
        early = rate_limit.wait(limit, self._reply_due, now)
        if early:
            self._pause(early)
        else:
            self._reply_due = rate_limit.taken(limit, self._reply_due, now)
        return early > 0

    def _fall_silent(self) -> None:
        if self._in_hand is not None:
            self._host.children.cancel(self._in_hand.reply_id)
        self._in_hand, self._said, self._by = None, "", ""

    async def _ended(self, reply: OwedReply, ended: ChildEnded) -> None:
        if isinstance(ended.result, FinishReply):
            await self._made(ended.result)
            return
        self._failures += 1
        log.warning("reply.failed", error=type(ended.error).__name__, exc_info=_bug(ended.error))
        if not self._is_heard(reply) and (self._failures < GIVE_UP_AFTER or isinstance(ended.error, Refused)):
            self._fall_silent()
            self._pause()
            return
        end = GAP * bool(self._said) + apology("reply.failed")
        if reply.reply_id in self._spoken:
            self._host.calls.reply_said(reply.reply_id, end)
        text = self._said + end
        await self._made(FinishReply(reply.reply_id, text, "failed", self.answered_by, "reply.failed"))

    def _is_heard(self, reply: OwedReply) -> bool:
        """What was said aloud is not said anew."""
        return bool(self._said) and reply.reply_id in self._spoken

    async def _made(self, finish: FinishReply) -> None:
        if finish.reply_id in self._spoken:
            self._unplayed[finish.reply_id] = finish
            self._host.calls.reply_ended(finish.reply_id, finish.state, finish.problem)
            self._fall_silent()
            self.settle()
        else:
            await self._finish(finish)

    async def _finish(self, finish: FinishReply) -> None:
        self._finished[finish.reply_id] = finish
        try:
            await self._host.accept(Order(COACH, derived(finish.reply_id, "finish"), finish))
        except (Overloaded, Unavailable, TimedOut):
            self._pause()
        else:
            self._failures = 0
            self._finished.pop(finish.reply_id, None)

    def _pause(self, seconds: float | None = None) -> None:
        host = self._host
        if host.stopping is None and _PAUSE not in host.children:
            again = AGAIN_AFTER * 2 ** min(self._failures, 5)
            host.children.spawn(_PAUSE, asyncio.sleep(again if seconds is None else seconds))


def _bug(error: BaseException | None) -> BaseException | None:
    return None if error is None or isinstance(error, Refused) else error
