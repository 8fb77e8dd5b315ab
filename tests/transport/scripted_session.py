"""Sessions a test writes the script of: they obey the contract of asks, keep their log in memory, and misbehave on cue."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from actors.commands import CompleteGoal, CreateGoal, RemoveGoal, SendMessage
from actors.domain.addresses import session_address
from actors.domain.conversation import COACH, Message
from actors.domain.goals import Goal, Status
from actors.domain.profile import Profile
from actors.domain.refusals import NotFound, Revoked, Unauthenticated
from actors.events import Event, MessageAdded, Recorded, recorded
from actors.journal.journaled import Accepted, Order
from actors.ports import Outbox, Page, Seen
from actors.questions import (
    ActionsShown,
    Attach,
    Attached,
    Detach,
    Events,
    Missed,
    Renew,
    RenewAll,
    Renewed,
    ShowActions,
    Shown,
    ShowProfile,
    ShowThreads,
    TakeOps,
    ThreadsShown,
)
from actors.runtime.envelope import CidConflict, Crashed, Envelope, Refused, Reply
from actors.runtime.ids import derived
from actors.session.devices import Devices
from tests.alone import WallClock
from transport.presence import Nodes, Presences
from transport.signed_in import Caller, SignedIn
from transport.signin import SignIn
from transport.tokens import Identity

START = datetime(2025, 11, 22, 20, 3, 51, 123_456, tzinfo=UTC)


class SendAnswer(msgspec.Struct, frozen=True):
    message_id: str
    reply_id: str
    seq: int


class GoalAnswer(msgspec.Struct, frozen=True):
    goal: Goal


class ScriptedSession:
    """One user's. `before` runs before each ask is answered: it may wait, or raise."""

    def __init__(self, user_id: str, outbox: Outbox) -> None:
        self.user_id = user_id
        self.address = session_address(user_id)
        self.outbox = outbox
        self.log_id = "log-1"
        self.events: list[Recorded] = []
        self.goals: dict[str, Goal] = {}
        self.answers: dict[str, tuple[Any, Accepted]] = {}
        self.asked: Counter[str] = Counter()
        self.devices = Devices()
        self.before: Callable[[Any], Awaitable[None]] | None = None
        self.traces: list[str | None] = []
        self.asking: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> dict[str, str]:
        """The device of each."""
        return {connection: one.device for connection, one in self.devices._of.items()}

    @property
    def seq(self) -> int:
        return len(self.events)

    def commit(self, *events: Event, push: bool = True) -> int:
        """Into the log, and out to the devices unless the push is lost."""
        new = [recorded(self.address, self.seq + n + 1, self._at(n), event) for n, event in enumerate(events)]
        self.events += new
        if push:
            self.outbox.push(self.address, new)
        return self.seq

    def say(self, text: str, *, push: bool = True) -> int:
        return self.commit(MessageAdded(f"m{self.seq + 1}", "user", self.user_id, text), push=push)

    def tell(self, message: Any) -> None:
        if isinstance(message, Detach):
            self.devices.detach(message.connection)

    async def ask(self, message: Any, *, timeout: float, trace: str | None = None) -> Any:  # noqa: ASYNC109 - the contract
        assert timeout > 0
        self.asked[type(message).__name__] += 1
        self.traces.append(trace)
        if self.before is not None:
            await self.before(message)
        return self._answer(message)

    def request(self, message: Any, reply: Reply, *, timeout: float, trace: str | None = None) -> Envelope:
        """In a step of its own, answered in the same, as an actor's; a bug of the script is told as a crash."""
        asking = asyncio.create_task(
            self._reply(reply, self.ask(message, timeout=timeout, trace=trace)), name="request"
        )
        self.asking.add(asking)
        asking.add_done_callback(self.asking.discard)
        return Envelope(message, reply, trace, asyncio.get_running_loop().time() + timeout)

    async def _reply(self, reply: Reply, asking: Awaitable[Any]) -> None:
        try:
            answer = await asking
        except Exception as error:  # noqa: BLE001 - as the runtime does
            if not reply.done():
                reply.set_exception(error if isinstance(error, Refused) else Crashed(effect="unknown"))
        else:
            if not reply.done():
                reply.set_result(answer)

    def _answer(self, message: Any) -> Any:
        match message:
            case Attach():
                self.devices.attach(message.connection, message.device)
                return self._attached()
            case Renew():
                self.devices.renew(message)
                return self._attached()
            case Missed():
                return self._missed(message)
            case ShowProfile():
                at = START
                profile = Profile(user_id=self.user_id, email="a@b.c", name="Ann", created_at=at, updated_at=at)
                return Shown(profile, self.seq)
            case TakeOps() | ShowActions() | ShowThreads():
                nothing = ThreadsShown if isinstance(message, ShowThreads) else ActionsShown
                return nothing((), self.seq)
            case Order():
                return self._order(message)
        raise AssertionError(message)

    def _attached(self) -> Attached:
        for connection in self.devices.superseded():
            self.outbox.end(self.address, connection)
        return Attached(self.log_id, self.seq)

    def _missed(self, message: Missed) -> Events:
        events = self.events[message.since : message.since + message.limit]
        return Events(events, self.seq, more=message.since + len(events) < self.seq)

    def _order(self, order: Order) -> Accepted:
        assert order.by == self.user_id
        if order.cid in self.answers:
            command, accepted = self.answers[order.cid]
            if command != order.command:
                raise CidConflict
            return Accepted(
                accepted.seq, msgspec.msgpack.decode(msgspec.msgpack.encode(accepted.answer)), repeated=True
            )
        accepted = self._carry_out(order)
        self.answers[order.cid] = (order.command, accepted)
        return accepted

    def _carry_out(self, order: Order) -> Accepted:
        command = order.command
        if isinstance(command, SendMessage):
            message_id = derived(order.cid, "message")
            seq = self.commit(MessageAdded(message_id, "user", self.user_id, command.text))
            return Accepted(seq, SendAnswer(message_id, derived(message_id, "reply"), seq))
        if isinstance(command, CreateGoal):
            goal = Goal(id=derived(order.cid, "goal"), title=command.title, created_at=START, updated_at=START)
            self.goals[goal.id] = goal
            return Accepted(self.say("goal"), GoalAnswer(goal))
        if getattr(command, "goal_id", "") not in self.goals:
            raise NotFound
        if isinstance(command, RemoveGoal):
            del self.goals[command.goal_id]
            return Accepted(self.say("gone"), {"goal_id": command.goal_id, "removed": [command.goal_id]})
        status: Status = "done" if isinstance(command, CompleteGoal) else "open"
        goal = msgspec.structs.replace(self.goals[command.goal_id], status=status)
        self.goals[goal.id] = goal
        return Accepted(self.say("goal"), GoalAnswer(goal))

    def _at(self, n: int) -> datetime:
        return START + timedelta(milliseconds=self.seq + n)


class ScriptedSessions(dict[str, ScriptedSession]):
    """A directory of them; also the rows, which show what the sessions have."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self.outbox = outbox
        self.node = "far"
        self.batches: list[RenewAll] = []
        self.no_batches: Refused | None = None

    def __missing__(self, user_id: str) -> ScriptedSession:
        return self.setdefault(user_id, ScriptedSession(user_id, self.outbox))

    def session(self, user_id: str) -> ScriptedSession:
        return self[user_id]

    def whereabouts(self, user_id: str) -> str | None:
        """All are awake at one node, but those who are not there yet."""
        return self.node if user_id in self else None

    def at(self, node: str) -> "ScriptedNode":
        return ScriptedNode(self)


class ScriptedNode:
    """The node they are at; it answers for those whose scripts do not misbehave."""

    def __init__(self, sessions: ScriptedSessions) -> None:
        self._sessions = sessions

    def tell(self, message: Any) -> None:
        raise AssertionError(message)

    def request(self, message: Any, reply: Reply, *, timeout: float, trace: Any = None) -> Envelope:
        raise AssertionError(message)

    async def ask(self, message: Any, *, timeout: float, trace: Any = None) -> Renewed:  # noqa: ASYNC109 - the contract
        assert isinstance(message, RenewAll)
        self._sessions.batches.append(message)
        if self._sessions.no_batches is not None:
            raise self._sessions.no_batches
        log, heads = "", list[int | None]()
        for one in message.users:
            renew = Renew(message.node, one.connections, one.devices, one.ages, one.seq)
            try:
                attached = await self._sessions[one.user_id].ask(renew, timeout=timeout, trace=trace)
            except Refused:
                heads.append(None)
            else:
                log = attached.log
                heads.append(attached.seq)
        return Renewed(log, heads)


class ScriptedGoals:
    def __init__(self, sessions: ScriptedSessions) -> None:
        self.sessions = sessions

    async def list(self, user_id: str, *, limit: int, cursor: str | None, status: Status | None) -> Page:
        start = int(cursor or 0)
        goals = [goal for goal in self.sessions[user_id].goals.values() if status in {None, goal.status}]
        page = goals[start : start + limit]
        return Page(page, str(start + limit) if start + limit < len(goals) else None)

    async def get(self, user_id: str, goal_id: str) -> Goal | None:
        return self.sessions[user_id].goals.get(goal_id)


class ScriptedMessages:
    def __init__(self, sessions: ScriptedSessions) -> None:
        self.sessions = sessions

    async def list(self, user_id: str, *, thread: str, before: int | None, limit: int) -> Sequence[Message]:
        assert thread == COACH
        found = [
            Message(
                id=event.data.id,
                seq=event.seq,
                thread=thread,
                role="user",
                author_id=user_id,
                text=event.data.text,
                created_at=event.at,
            )
            for event in reversed(self.sessions[user_id].events)
            if isinstance(event.data, MessageAdded) and (before is None or event.seq < before)
        ]
        return found[:limit]


class Nowhere:
    """Nobody is placed anywhere, and nobody has an account: who asks who is there finds nobody."""

    async def holders(self, addresses: Sequence[str]) -> Sequence[str | None]:
        return [None] * len(addresses)

    async def keep(self, seen: Mapping[str, datetime]) -> None:
        raise AssertionError(seen)

    async def get(self, user_ids: Collection[str]) -> Mapping[str, Seen]:
        return {}


def nobody(nodes: Nodes) -> Presences:
    return Presences(nodes, Nowhere(), Nowhere(), WallClock(), 30.0)


class ScriptedLogins:
    """Tokens are `user/login session`; what a test revokes is over at once."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.watching: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)

    async def identify(self, token: str, _device_id: str = "") -> Identity:
        user_id, slash, session_id = token.partition("/")
        await asyncio.sleep(0)
        if not slash or not user_id:
            raise Unauthenticated
        if session_id in self.over:
            raise Revoked
        return Identity(user_id, session_id, 1, START)

    def watch(self, session_id: str, close: Callable[[], None]) -> Callable[[], None]:
        self.watching[session_id].add(close)
        return lambda: self.watching[session_id].discard(close)

    def revoke(self, session_id: str) -> None:
        self.over.add(session_id)
        for close in list(self.watching[session_id]):
            close()


class ScriptedSignIn(SignIn):
    """Signs everyone in, and out again, without accounts behind it."""

    def __init__(self) -> None:
        """Nothing stands behind it."""

    async def login(self, email: str, password: str, caller: Caller) -> SignedIn:
        return SignedIn(email, "s1", f"{email}/s1", 600, "refresh")

    async def logout(self, identity: Identity) -> None:
        assert identity.user_id
