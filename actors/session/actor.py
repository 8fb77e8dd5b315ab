"""The session actor: the one writer of everything a user has, and the host of their conversation with the coach."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, ClassVar

import structlog

from actors.commands import (
    CallTool,
    ChangeGoal,
    ChangeProfile,
    Command,
    CompleteGoal,
    CreateGoal,
    FinishReply,
    MoveGoal,
    OpenAccount,
    RecordProgress,
    RemoveGoal,
    ReopenGoal,
    SendMessage,
    StopReply,
)
from actors.domain import rate_limit
from actors.domain.conversation import COACH, OwedReply
from actors.domain.days import local_day
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound, UnknownCommand
from actors.events import Recorded, recorded
from actors.ports import LanguageModel, Outbox
from actors.questions import Attach, Attached, Detach, Events, Missed, Renew, Shown, ShowProfile, Wake
from actors.runtime.actor import ChildEnded
from actors.runtime.envelope import Overloaded, Refused, TimedOut, Unavailable
from actors.runtime.ids import derived
from actors.runtime.journal import Happened, Outside
from actors.runtime.journaled import Decided, Journaled, Order, Stamp
from actors.runtime.outside import Row
from actors.session import replies
from actors.session.desk import Desk, Said, UseTool
from actors.session.problems import GAP, apology
from actors.session.prompt import Seen
from actors.session.rows import rows
from actors.session.state import FOLD_VERSION, State, apply, shown
from actors.work import accounts, chat, goals, profile, tools

DEVICE_LEASE = 30.0
"""Seconds a device counts as attached without being renewed."""
AGAIN_AFTER = 1.0
GIVE_UP_AFTER = 3
_PAUSE = "reply.pause"

log = structlog.get_logger()
Decide = Callable[["Session", Any, Stamp, str], Decided]

COMMANDS: dict[type[Command], Decide] = {
    OpenAccount: lambda me, command, stamp, _: accounts.open_account(me.state.profile, command, stamp),
    ChangeProfile: lambda me, command, stamp, _: profile.change(me.shown(), command, stamp),
    CreateGoal: lambda me, command, stamp, _: goals.create(me.state.goals, command, stamp),
    ChangeGoal: lambda me, command, stamp, _: goals.change(me.state.goals, command, stamp),
    MoveGoal: lambda me, command, stamp, _: goals.move(me.state.goals, command, stamp),
    RecordProgress: lambda me, command, stamp, _: goals.progress(me.state.goals, command, stamp, me.tz),
    CompleteGoal: lambda me, command, stamp, _: goals.complete(me.state.goals, command, stamp, me.tz),
    ReopenGoal: lambda me, command, stamp, _: goals.reopen(me.state.goals, command, stamp),
    RemoveGoal: lambda me, command, stamp, _: goals.remove(me.state.goals, command, stamp),
    SendMessage: lambda me, command, stamp, by: me.take_message(command, stamp, by),
    StopReply: lambda me, command, stamp, _: me.stop_reply(command, stamp),
    CallTool: lambda me, command, stamp, _: chat.use_tool(me.state.goals, me.state.owed, command, stamp, me.tz),
    FinishReply: lambda me, command, stamp, _: chat.finish_reply(me.state.owed, command, stamp),
}
"""What happens on a command."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the sessions of a node share beside the runtime's own: `log_id` changes only by a restore."""

    outbox: Outbox
    model: LanguageModel | None
    system_prompt: str
    log_id: str
    chat_limit: rate_limit.Limit = rate_limit.CHAT_SEND


class Session(Journaled[State]):
    fold_version: ClassVar[int] = FOLD_VERSION
    state_type: ClassVar[type[Any]] = State

    def __init__(self, address: str, outside: Outside, surroundings: Surroundings) -> None:
        super().__init__(address, outside)
        self.surroundings = surroundings
        self.said = ""
        self._replying: OwedReply | None = None
        self._finished: FinishReply | None = None
        self._failures = 0
        self._chat_due = rate_limit.FULL
        self._devices: dict[str, float] = {}

    # What the runtime asks of a journaled actor.

    def initial(self) -> State:
        return State()

    def fold(self, state: State, happened: Happened) -> State:
        return apply(state, self._recorded(happened))

    def decide(self, order: Order, stamp: Stamp) -> Decided:
        command = order.command
        if self.state.profile is None and not isinstance(command, OpenAccount):
            raise NotFound
        decide = COMMANDS.get(type(command))
        if decide is None:
            raise UnknownCommand
        return decide(self, command, stamp, order.by)

    def rows(self, happened: Sequence[Happened]) -> Sequence[Row]:
        return rows(self.state, [self._recorded(one) for one in happened])

    def owed(self) -> Mapping[str, datetime]:
        return {reply.reply_id: reply.since for reply in self.state.owed.values()}

    def published(self, happened: Sequence[Happened]) -> None:
        self.surroundings.outbox.push(self.address, [self._recorded(one) for one in happened])

    def idle(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._devices = {connection: until for connection, until in self._devices.items() if until > now}
        return super().idle() and not self._devices and not self.state.owed

    async def answer(self, message: Any) -> Any:
        return await MESSAGES[type(message)](self, message)

    @property
    def tz(self) -> str:
        """The user's zone."""
        return self.state.profile.tz if self.state.profile is not None else "UTC"

    # Devices.

    async def attach(self, message: Attach) -> Attached:
        """A device that joins in the middle of a reply gets the text so far as one delta."""
        self._devices[message.connection] = self._lease()
        if self._replying is not None and self.said:
            delta = {"message_id": self._replying.reply_id, "index": 0, "text": self.said}
            self.surroundings.outbox.signal(self.address, "reply.delta", delta, connection=message.connection)
        return Attached(self.surroundings.log_id, self.seq)

    async def renew(self, message: Renew) -> Attached:
        self._devices = dict.fromkeys(message.connections, self._lease())
        return Attached(self.surroundings.log_id, self.seq)

    async def detach(self, message: Detach) -> None:
        self._devices.pop(message.connection, None)

    async def missed(self, message: Missed) -> Events:
        since, limit = message.since, message.limit
        found = [self._recorded(one) for one in await self.journal.read(since, limit)] if since < self.seq else []
        last = found[-1].seq if found else since
        return Events(found, self.seq, last < self.seq)

    def shown(self) -> Profile | None:
        """The profile as its user sees it today."""
        return shown(self.state, self._today())

    async def show(self, _: ShowProfile) -> Shown:
        mine = self.shown()
        if mine is None:
            raise NotFound
        return Shown(mine, self.seq)

    def _today(self) -> date:
        return local_day(self.outside.timers.now(), self.tz)

    def _lease(self) -> float:
        return asyncio.get_running_loop().time() + DEVICE_LEASE

    def _recorded(self, one: Happened) -> Recorded:
        return recorded(self.address, one.seq, one.at, one.event)

    # The conversation with the coach.

    def take_message(self, command: SendMessage, stamp: Stamp, by: str) -> Decided:
        """Within the user's own rate. Raises RateLimited, ReplyPending."""
        due = rate_limit.taken(self.surroundings.chat_limit, self._chat_due, asyncio.get_running_loop().time())
        decided = chat.take_message(self.state.owed, command, stamp, by)
        self._chat_due = due
        return decided

    def stop_reply(self, command: StopReply, stamp: Stamp) -> Decided:
        """What follows the commit ends the reply; should the append fail, it goes on as if nothing had been asked."""
        reply = chat.owed_reply(self.state.owed, command)
        mine = self._replying is not None and reply.reply_id == self._replying.reply_id
        return chat.stopped(self.state.owed, command, self.said if mine else "", stamp, self._answered_by())

    def settle(self) -> None:
        """Replies are made one after another, in the order they became owed."""
        if self._replying is not None and self._replying.reply_id not in self.state.owed:
            self._fall_silent()
        if not self.state.owed or self._replying is not None or _PAUSE in self.children:
            return
        reply = self._replying = next(iter(self.state.owed.values()))
        around = self.surroundings
        desk = Desk(reply, self.me, around.model, around.system_prompt, partial(self._see, reply.reply_id))
        self.children.spawn(reply.reply_id, replies.answer(reply, desk))

    def _see(self, reply_id: str) -> tuple[Seen, OwedReply]:
        mine = self.shown()
        if mine is None or reply_id not in self.state.owed:
            raise NotFound
        return Seen(mine, self.state.goals.values(), self.state.history, self._today()), self.state.owed[reply_id]

    def _fall_silent(self) -> None:
        if self._replying is not None:
            self.children.cancel(self._replying.reply_id)
        self._replying, self._finished, self.said = None, None, ""

    async def push_said(self, said: Said) -> None:
        if self._replying is None or said.reply_id != self._replying.reply_id:
            return
        delta = {"message_id": said.reply_id, "index": len(self.said), "text": said.text}
        self.said += said.text
        self.surroundings.outbox.signal(self.address, "reply.delta", delta)

    async def use_tool(self, message: UseTool) -> str:
        """A tool call of the model is the same command an app would send, with the user's own rights."""
        reply_id, call = message.reply_id, message.call
        if reply_id not in self.state.owed:
            raise NotFound
        asked = tools.parse(call.name, call.arguments, self.state.goals)
        if isinstance(asked, tools.ToolAnswer):
            return asked.result
        command = CallTool(reply_id, call.call_id, call.name, call.arguments, asked)
        accepted = await self.accept(Order(COACH, derived(call.call_id, "tool"), command))
        answer = accepted.answer
        return str(answer["result"] if accepted.repeated else answer.result)

    async def child_ended(self, ended: ChildEnded) -> None:
        """A finished reply is committed, any other one made again after a pause. One that was stopped meanwhile is past."""
        if self._replying is not None and ended.name == self._replying.reply_id:
            await self._ended(self._replying, ended)
        elif ended.name == _PAUSE and self._finished is not None:
            await self._finish(self._finished)
        else:
            self.settle()

    async def _ended(self, reply: OwedReply, ended: ChildEnded) -> None:
        if isinstance(ended.result, FinishReply):
            await self._finish(ended.result)
            return
        self._failures += 1
        log.warning("reply.failed", error=type(ended.error).__name__, exc_info=_bug(ended.error))
        if self._failures < GIVE_UP_AFTER or isinstance(ended.error, Refused):
            self._fall_silent()
            self._pause()
            return
        text = GAP.join(filter(None, (self.said, apology("reply.failed"))))
        await self._finish(FinishReply(reply.reply_id, text, "failed", self._answered_by(), "reply.failed"))

    async def _finish(self, finish: FinishReply) -> None:
        """Until it is committed the reply stays the one in hand: it is not made anew for want of the log."""
        self._finished = finish
        try:
            await self.accept(Order(COACH, derived(finish.reply_id, "finish"), finish))
        except (Overloaded, Unavailable, TimedOut):
            self._pause()
        else:
            self._failures = 0

    def _pause(self) -> None:
        if self.stopping is None and _PAUSE not in self.children:
            self.children.spawn(_PAUSE, asyncio.sleep(AGAIN_AFTER * 2 ** min(self._failures, 5)))

    def _answered_by(self) -> str:
        return self.surroundings.model.name if self.surroundings.model is not None else replies.OFFLINE


def _bug(error: BaseException | None) -> BaseException | None:
    return None if error is None or isinstance(error, Refused) else error


async def _woken(_: Session, __: Wake) -> None:
    """Waking was all that was asked."""


MESSAGES: dict[type[Any], Callable[[Session, Any], Awaitable[Any]]] = {
    Attach: Session.attach,
    Renew: Session.renew,
    Detach: Session.detach,
    Missed: Session.missed,
    ShowProfile: Session.show,
    Wake: _woken,
    Said: Session.push_said,
    UseTool: Session.use_tool,
    ChildEnded: Session.child_ended,
}
"""What happens on any other message."""
