"""The session actor: the one writer of everything a user has, and the host of their conversation with the coach."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, ClassVar

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
from actors.domain.days import local_day
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound, UnknownCommand
from actors.events import Recorded, recorded
from actors.questions import Attach, Attached, Detach, Events, Missed, Renew, Shown, ShowProfile, Wake
from actors.runtime.actor import ChildEnded
from actors.runtime.journal import Happened, Outside
from actors.runtime.journaled import Decided, Journaled, Order, Stamp
from actors.runtime.outside import Row
from actors.session.answering import Answering
from actors.session.desk import Said, UseTool
from actors.session.devices import Devices
from actors.session.rows import rows
from actors.session.state import FOLD_VERSION, State, apply, shown
from actors.session.surroundings import Surroundings
from actors.work import accounts, chat, goals, profile

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


class Session(Journaled[State]):
    fold_version: ClassVar[int] = FOLD_VERSION
    state_type: ClassVar[type[Any]] = State

    def __init__(self, address: str, outside: Outside, surroundings: Surroundings) -> None:
        super().__init__(address, outside)
        self.surroundings = surroundings
        self.answering = Answering(self)
        self._devices = Devices()
        self._chat_due = rate_limit.FULL

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

    def settle(self) -> None:
        self.answering.settle()

    def idle(self) -> bool:
        return super().idle() and not self._devices and not self.state.owed

    async def answer(self, message: Any) -> Any:
        return await MESSAGES[type(message)](self, message)

    @property
    def tz(self) -> str:
        """The user's zone."""
        return self.state.profile.tz if self.state.profile is not None else "UTC"

    def today(self) -> date:
        """The user's local day."""
        return local_day(self.outside.timers.now(), self.tz)

    def shown(self) -> Profile | None:
        """The profile as its user sees it today."""
        return shown(self.state, self.today())

    # Devices.

    async def attach(self, message: Attach) -> Attached:
        self._devices.attach(message.connection)
        self.answering.catch_up(message.connection)
        return Attached(self.surroundings.log_id, self.seq)

    async def renew(self, message: Renew) -> Attached:
        self._devices.renew(message.connections)
        return Attached(self.surroundings.log_id, self.seq)

    async def detach(self, message: Detach) -> None:
        self._devices.detach(message.connection)

    async def missed(self, message: Missed) -> Events:
        since, limit = message.since, message.limit
        found = [self._recorded(one) for one in await self.journal.read(since, limit)] if since < self.seq else []
        last = found[-1].seq if found else since
        return Events(found, self.seq, last < self.seq)

    async def show(self, _: ShowProfile) -> Shown:
        mine = self.shown()
        if mine is None:
            raise NotFound
        return Shown(mine, self.seq)

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
        said = self.answering.said_of(chat.owed_reply(self.state.owed, command).reply_id)
        return chat.stopped(self.state.owed, command, said, stamp, self.answering.answered_by)


async def _woken(_: Session, __: Wake) -> None:
    """Waking was all that was asked."""


MESSAGES: dict[type[Any], Callable[[Session, Any], Awaitable[Any]]] = {
    Attach: Session.attach,
    Renew: Session.renew,
    Detach: Session.detach,
    Missed: Session.missed,
    ShowProfile: Session.show,
    Wake: _woken,
    Said: lambda me, message: me.answering.push_said(message),
    UseTool: lambda me, message: me.answering.use_tool(message),
    ChildEnded: lambda me, message: me.answering.child_ended(message),
}
"""What happens on any other message."""
