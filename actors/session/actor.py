"""The session actor: the one writer of everything a user has, and the host of their conversation with the coach."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from actors.commands import (
    CallTool,
    ChangeMail,
    ChangeProfile,
    Command,
    ConfirmAction,
    DeclineAction,
    EndJob,
    ExpireAction,
    ExpireExport,
    FinishReply,
    KeepSummary,
    LearnPauses,
    OpenAccount,
    ReadThread,
    RequestExport,
    RetryReply,
    SayMessage,
    SendMessage,
    StopReply,
    UndoAction,
)
from actors.domain import presence, rate_limit
from actors.domain.addresses import owner
from actors.domain.conversation import COACH
from actors.domain.days import believed, local_day
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound, Precondition, UnknownCommand
from actors.events import Recorded, recorded
from actors.journal.journal import Happened, Outside
from actors.journal.journaled import Decided, Journaled, Order, Stamp
from actors.journal.outside import Row
from actors.questions import (
    AddCandidate,
    Attach,
    Attached,
    Detach,
    EndCall,
    Events,
    JobEnded,
    JobProgressed,
    Missed,
    ModelCame,
    OfferCall,
    Renew,
    SetAway,
    ShowActions,
    ShowExport,
    ShowGoal,
    ShowProfile,
    ShowThreads,
    TakeOps,
    Typed,
    Wake,
)
from actors.runtime.actor import ChildEnded
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from actors.session import calls, showing
from actors.session.answering import Answering
from actors.session.desk import Said, UseTool
from actors.session.devices import Devices
from actors.session.due import Agenda, Lapsed, next_due
from actors.session.jobs import PREFIX, LookAgain, OwedJobs
from actors.session.prompt import Seen
from actors.session.rolling_summary import SUMMARY, RollingSummary, Summarise
from actors.session.rows import rows
from actors.session.state import FOLD_VERSION, State, apply, owed, shown
from actors.session.surroundings import Surroundings
from actors.session.waiting import first_left_waiting
from actors.work import accounts, actions, chat, exports, goals, profile, rolling_summary

Decide = Callable[["Session", Any, Stamp, str], Decided]

COMMANDS: dict[type[Command], Decide] = {
    OpenAccount: lambda me, command, stamp, _: accounts.open_account(me.state.profile, command, stamp),
    ChangeMail: lambda me, command, stamp, _: profile.change_mail(me.shown(), command, stamp),
    ChangeProfile: lambda me, command, stamp, _: profile.change(me.shown(), command, stamp),
    SendMessage: lambda me, command, stamp, by: me.take_message(command, stamp, by),
    StopReply: lambda me, command, stamp, _: me.stop_reply(command, stamp),
    RetryReply: lambda me, command, stamp, by: me.retry(command, stamp, by),
    SayMessage: lambda me, command, stamp, by: me.take_message(command, stamp, by),
    LearnPauses: lambda me, command, _, __: chat.learn_pauses(me.state.pauses, command),
    ReadThread: lambda me, command, stamp, _: chat.read(me.state.history, me.state.read, command, stamp),
    CallTool: lambda me, command, stamp, _: actions.use_tool(me.held(), command, stamp),
    FinishReply: lambda me, command, stamp, _: chat.finish_reply(me.state.owed, command, stamp),
    KeepSummary: lambda me, command, stamp, _: rolling_summary.keep(me.state.summary, command, stamp),
    ConfirmAction: lambda me, command, stamp, _: actions.confirm(me.held(), command, stamp),
    DeclineAction: lambda me, command, stamp, _: actions.decline(me.held(), command, stamp),
    UndoAction: lambda me, command, stamp, _: actions.undo(me.held(), command, stamp),
    ExpireAction: lambda me, command, stamp, _: actions.expire(me.held(), command, stamp),
    RequestExport: lambda me, command, stamp, _: me.jobs.request_export(command, stamp),
    ExpireExport: lambda me, command, stamp, _: exports.expire(me.state.background.exports, command, stamp),
    EndJob: lambda me, command, stamp, _: exports.end_job(me.state.background.jobs, command, stamp),
    **dict.fromkeys(
        goals.COMMANDS,
        lambda me, command, stamp, _: goals.COMMANDS[type(command)](me.state.goals, command, stamp, me.tz),
    ),
}
"""What happens on a command."""


class Session(Journaled[State]):
    fold_version: ClassVar[int] = FOLD_VERSION
    state_type: ClassVar[type[Any]] = State

    def __init__(self, address: str, outside: Outside, surroundings: Surroundings) -> None:
        super().__init__(address, outside)
        self.surroundings = surroundings
        self.answering: Answering = Answering(self)
        self.summary: RollingSummary = RollingSummary(self)
        self.devices = Devices(lease=surroundings.device_lease)
        self._told: presence.State | None = None
        self.calls: calls.Calls = calls.Calls(self)
        self.agenda: Agenda = Agenda(self)
        self.jobs: OwedJobs = OwedJobs(self)
        self._chat_due = rate_limit.FULL

    # What the runtime asks of a journaled actor.

    def initial(self) -> State:
        return State()

    def fold(self, state: State, happened: Happened) -> State:
        return apply(state, self._recorded(happened))

    def decide(self, order: Order, stamp: Stamp) -> Decided:
        command = order.command
        if order.head not in {None, self.seq}:
            raise Precondition
        if self.state.profile is None and not isinstance(command, OpenAccount):
            raise NotFound
        decide = COMMANDS.get(type(command))
        if decide is None:
            raise UnknownCommand
        return decide(self, command, believed(stamp), order.by)

    def rows(self, happened: Sequence[Happened]) -> Sequence[Row]:
        return rows(self.state, [self._recorded(one) for one in happened])

    def owed(self) -> Mapping[str, datetime]:
        return owed(self.state)

    def due(self) -> datetime | None:
        return next_due(self.state)

    def published(self, happened: Sequence[Happened]) -> None:
        self.surroundings.outbox.push(self.address, [self._recorded(one) for one in happened])

    def settle(self) -> None:
        self.answering.settle()
        self.summary.settle()
        self.agenda.settle()
        self.jobs.settle()

    async def started(self) -> None:
        await super().started()
        self.surroundings.standings.enter(self.address, self.standing)
        self._look_back()

    def draining(self) -> None:
        self.calls.leave()

    async def stopped(self) -> None:
        self.agenda.close()
        self.calls.close()
        self.jobs.close()
        self.summary.close()
        self.surroundings.standings.leave(self.address)
        self.surroundings.outbox.leave(self.address)

    def idle(self) -> bool:
        return super().idle() and not self.devices and not self.state.owed and not self.state.background.jobs

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

    def seen(self) -> Seen:
        """What a prompt is made from. Raises NotFound before the account was opened."""
        mine, state = self.shown(), self.state
        if mine is None:
            raise NotFound
        return Seen(mine, state.goals.values(), state.history, self.today(), state.summary)

    def may_ask_models(self) -> bool:
        """Whether the user has tokens left today."""
        most = self.surroundings.daily_tokens
        return most is None or self.state.spent.on(self.today()) < most

    async def child_ended(self, ended: ChildEnded) -> None:
        if ended.name == SUMMARY:
            await self.summary.ended(ended)
        elif ended.name.startswith(PREFIX):
            await self.jobs.ended(ended)
        elif ended.name.startswith(calls.PREFIX):
            await self.calls.ended(ended)
        else:
            await self.answering.child_ended(ended)

    # Devices.

    async def attach(self, message: Attach) -> Attached:
        self._look_back()
        self.devices.attach(message.connection, message.device)
        self._reach(message.connection)
        self.answering.catch_up(message.connection)
        self.calls.catch_up(message.connection)
        return Attached(self.surroundings.log_id, self.seq)

    async def renew(self, message: Renew) -> Attached:
        if message.seq > self.seq:
            await self.is_newest()
        self.devices.renew(message)
        self._reach()
        return Attached(self.surroundings.log_id, self.seq)

    async def detach(self, message: Detach) -> None:
        self.devices.detach(message.connection)
        self._reach()

    async def set_away(self, message: SetAway) -> None:
        self.devices.set_away(message.connection, away=message.away)
        self._reach(message.connection)

    def standing(self) -> presence.Standing:
        """Whether the user is there, and who may know."""
        silence, mine = self.devices.silence, self.state.profile
        seen_at = None if silence is None else self.outside.timers.now() - timedelta(seconds=silence)
        return presence.Standing(
            self.devices.state, "nobody" if mine is None else presence.audience(mine.preferences.privacy), seen_at
        )

    def _reach(self, by: str = "") -> None:
        """Where devices are has changed; a connection that another has superseded ends.

        What that makes of the user is told to their devices, but not to the one by which it came.
        """
        for connection in self.devices.superseded():
            self.surroundings.outbox.end(self.address, connection)
        self.surroundings.outbox.reach(self.address, self.devices.nodes)
        before, self._told = self._told, self.devices.state
        if before not in {None, self._told}:
            told = {"user_id": owner(self.address), "state": self._told}
            for connection in self.devices.but(by):
                self.surroundings.outbox.signal(self.address, "presence", told, connection=connection)

    async def missed(self, message: Missed) -> Events:
        since, limit = message.since, message.limit
        found = [self._recorded(one) for one in await self.journal.read(since, limit)] if since < self.seq else []
        last = found[-1].seq if found else since
        return Events(found, self.seq, last < self.seq)

    async def typed(self, message: Typed) -> None:
        told = {"thread": message.thread, "on": message.on}
        for connection in self.devices.but(message.connection):
            self.surroundings.outbox.signal(self.address, "typing", told, connection=connection)

    # Actions of the coach's tools.

    def held(self) -> actions.Held:
        state = self.state
        return actions.Held(state.goals, state.owed, state.actions, self.tz, self.surroundings.actions_wait)

    def _recorded(self, one: Happened) -> Recorded:
        return recorded(self.address, one.seq, one.at, one.event)

    # The conversation with the coach.

    def take_message(self, command: SendMessage | SayMessage, stamp: Stamp, by: str) -> Decided:
        """Within the user's own rate. Raises RateLimited, ReplyPending."""
        before = self._chat_due
        if stamp.occurred_at is None:  # else it came with others, and all together were charged for
            self._charge()
        try:
            return chat.take_message(self.state.owed, command, stamp, by)
        except Refused:
            self._chat_due = before
            raise

    def retry(self, command: RetryReply, stamp: Stamp, by: str) -> Decided:
        """The user's own wish counts as a message of theirs. Raises RateLimited, NotFound, Answered, ReplyPending."""
        decided = chat.retry(self.state.history, self.state.owed, command, stamp)
        if by != COACH and decided.events:
            self._charge()
        return decided

    def _look_back(self) -> None:
        """The model may have come while nobody was here to be told."""
        if first_left_waiting(self.state.history) is not None:
            self.me.tell(ModelCame())

    async def model_came(self, _: ModelCame) -> None:
        """The first question that was answered without the model, while it was on its way, is answered again. Once."""
        first = first_left_waiting(self.state.history)
        if first is None or self.surroundings.model_missing() is not None:
            return
        with suppress(Refused):  # at the next wake, then
            await self.accept(Order(COACH, derived(first.id, "again"), RetryReply(first.id)))

    async def take_ops(self, _: TakeOps) -> None:
        """What a device did offline counts as one message. Raises RateLimited."""
        self._charge()

    def _charge(self) -> None:
        now = asyncio.get_running_loop().time()
        self._chat_due = rate_limit.taken(self.surroundings.chat_limit, self._chat_due, now)

    def stop_reply(self, command: StopReply, stamp: Stamp) -> Decided:
        """What follows the commit ends the reply; should the append fail, it goes on as if nothing had been asked.

        One that is spoken ends once its call has told how much of it was heard.
        """
        answering, reply_id = self.answering, chat.owed_reply(self.state.owed, command).reply_id
        if answering.is_spoken(reply_id):
            self.calls.reply_ended(reply_id, "interrupted", None)
            return Decided((), chat.Ended(reply_id, self.seq))
        said, tokens = answering.said_of(reply_id), answering.cost_of(reply_id)
        return chat.stopped(self.state.owed, command, said, stamp, answering.answered_by, tokens)


async def _woken(me: Session, _: Wake) -> None:
    """Of one that is awake something is owed that it may not know of."""
    await me.is_newest()


MESSAGES: dict[type[Any], Callable[[Session, Any], Awaitable[Any]]] = {
    Attach: Session.attach,
    Renew: Session.renew,
    SetAway: Session.set_away,
    Detach: Session.detach,
    Missed: Session.missed,
    ShowProfile: showing.profile,
    ShowGoal: showing.goal,
    ShowActions: showing.actions,
    ShowThreads: showing.threads,
    ShowExport: showing.export,
    Typed: Session.typed,
    OfferCall: lambda me, message: me.calls.offer(message),
    AddCandidate: lambda me, message: me.calls.candidate(message),
    EndCall: lambda me, message: me.calls.end(message),
    calls.Said: lambda me, message: me.calls.said(message),
    calls.Played: lambda me, message: me.calls.played(message),
    TakeOps: Session.take_ops,
    Lapsed: lambda me, message: me.agenda.lapse(message),
    Wake: _woken,
    ModelCame: Session.model_came,
    Said: lambda me, message: me.answering.push_said(message),
    UseTool: lambda me, message: me.answering.use_tool(message),
    JobEnded: lambda me, message: me.jobs.heard(message),
    JobProgressed: lambda me, message: me.jobs.progressed(message),
    LookAgain: lambda me, message: me.jobs.look_again(message),
    Summarise: lambda me, message: me.summary.begin(message),
    ChildEnded: lambda me, message: me.child_ended(message),
}
"""What happens on any other message."""
