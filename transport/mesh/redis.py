"""Carries messages between nodes: one Redis channel per node; what gathers while a publish is under way goes with the next."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from actors.runtime.envelope import Envelope, NotHere, Overloaded, Refused, Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from transport.mesh import messages
from transport.mesh.asked import Asked, told
from transport.mesh.frames import Answer, Ask, BadFrame, Flaw, Frames, Hint, Part, Refusal
from transport.tracing import Traces

MAX_WAITING: Final = 20_000
"""Parts for one node that may wait: an ask beyond is refused as overloaded, a hint is dropped. Answers are as many as asks."""
MAX_ASKED: Final = 50_000
"""Asks without an answer yet; beyond, one is refused as overloaded."""
TOGETHER: Final = 500
"""Parts in one frame."""
TIME_LIMIT: Final = 2.0
HEARTBEAT: Final = 1.0
SILENCE: Final = 3.0
"""Seconds without a frame, our own heartbeats included, after which the subscription counts as lost."""
PAUSE: Final = 0.2
UNREACHABLE: Final = (RedisError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class Shards(Protocol):
    """The servers of Redis, each with some of the channels."""

    def at(self, key: str) -> Redis:
        """The one that has the channel."""

    async def execute(self, at: Redis, queues: Sequence[Callable[[Pipeline], Any]], time_limit: float) -> list[Any]:
        """The answers in order, with exceptions among them."""

    def learn(self, problem: BaseException, at: Redis) -> None:
        """What went wrong there may say that the channel is elsewhere by now."""


def channel(node: str) -> str:
    return f"mesh:{node}"


class _WayBack:
    """Where an ask from another node is answered; past its deadline nobody waits any more."""

    __slots__ = ("_id", "_mesh", "_node", "_over", "_until")

    def __init__(self, mesh: "RedisMesh", node: str, id: int, until: float) -> None:  # noqa: A002 - the frame's word
        self._mesh, self._node, self._id, self._until = mesh, node, id, until
        self._over = False

    def done(self) -> bool:
        return self._over or self._mesh.now() >= self._until

    def set_result(self, answer: Any, /) -> None:
        self._over = True
        self._mesh.put(self._node, Answer(self._id, *messages.pack(answer)))

    def set_exception(self, why: Refused, /) -> None:
        self._over = True
        self._mesh.put(self._node, messages.refusal(self._id, why))


class RedisMesh:
    """`actors.runtime.outside.Mesh`. The composition root says who takes what arrives.

    `on_gap` is told when frames may have been missed: whoever relied on hints looks for itself.
    """

    def __init__(self, shards: Shards, node: str, frames: Frames, report: Report, traces: Traces | None = None) -> None:
        self.node = node
        self.arrived: Callable[[str, Envelope], None] = _nobody
        self.undelivered: Callable[[str, Envelope, Refused], None] = _refuse
        self.on_hint: Callable[[str, str, bytes], None] = lambda *_: None
        self.on_gap: Callable[[], None] = lambda: None
        self.now = asyncio.get_running_loop().time
        self.subscribed = asyncio.Event()
        self._shards = shards
        self._frames = frames
        self._report = report
        self._reachable = True
        self._traces = traces or Traces()
        self._asked = Asked()
        self._waiting: dict[str, deque[Part]] = {}
        self._called = asyncio.Event()
        self._flushing: set[Redis] = set()
        self.dropped: Counter[Flaw] = Counter()
        self.hints_dropped = 0
        self.sent = 0

    @property
    def waiting(self) -> int:
        """Parts for the next frames."""
        return sum(len(waiting) for waiting in self._waiting.values())

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, node: str, address: str, envelope: Envelope) -> None:
        """To the node that has the address. Raises Unavailable, Overloaded. What comes back settles its reply.

        What never got there, or was not at home, is given to `undelivered`.
        """
        if not self._reachable:
            raise Unavailable(retry_after_ms=1000)
        if len(self._waiting.get(node, ())) >= MAX_WAITING or len(self._asked) >= MAX_ASKED:
            raise Overloaded(retry_after_ms=1000)
        number, within, trace, packed = 0, 0, envelope.trace, messages.pack(envelope.message)
        if envelope.reply is not None:
            within = max(1, int((envelope.until - self.now()) * 1000))
            number, trace = self._asked.add(node, address, envelope)
            envelope.begun = True  # for all we know
        self.put(node, Ask(number, address, *packed, within, envelope.hops, told(trace)))

    def hint(self, node: str, address: str, name: str, body: bytes) -> None:
        """Tell the doors of a node something; never waits, and may be lost."""
        if not self._reachable or len(self._waiting.get(node, ())) >= MAX_WAITING:
            self.hints_dropped += 1
        else:
            self.put(node, Hint(address, name, msgspec.Raw(body)))

    def forget(self, node: str) -> None:
        """The node is gone: what was asked there will not be answered, whatever came of it."""
        self._waiting.pop(node, None)
        self._fail(self._asked.at(node))

    def put(self, node: str, part: Part) -> None:
        """Into the next frame to the node."""
        waiting = self._waiting.get(node)
        if waiting is None:
            waiting = self._waiting[node] = deque()
            self._called.set()
        waiting.append(part)

    async def flush_for_ever(self) -> None:
        """Each shard has a round trip of its own: one that hangs holds back no channel at the others."""
        async with asyncio.TaskGroup() as flushing:
            while True:
                await self._called.wait()
                self._called.clear()
                for node in self._waiting:
                    shard = self._shards.at(channel(node))
                    if shard not in self._flushing:
                        self._flushing.add(shard)
                        flushing.create_task(self._drain(shard), name="mesh.flush.shard")

    async def beat(self) -> None:
        """What keeps the listener sure that it is heard; who no longer waits for an answer is forgotten.

        It also calls the shard to which a channel has moved whose parts waited for another.
        """
        while True:
            self._waiting.setdefault(self.node, deque())
            self._called.set()
            await asyncio.sleep(HEARTBEAT)
            self._asked.forget_done()

    async def _drain(self, shard: Redis) -> None:
        while nodes := [node for node in self._waiting if self._shards.at(channel(node)) is shard]:
            await self._flush(shard, nodes)
        self._flushing.discard(shard)

    async def _flush(self, shard: Redis, nodes: Sequence[str]) -> None:
        """One frame for each of the nodes, in one round trip."""
        together: list[list[Part]] = []
        queues: list[Callable[[Pipeline], Any]] = []
        for node in nodes:
            waiting = self._waiting[node]
            if len(waiting) <= TOGETHER:
                parts = list(self._waiting.pop(node))
            else:
                parts = [waiting.popleft() for _ in range(TOGETHER)]
            together.append(parts)
            queues.append(
                partial(Pipeline.spublish, shard_channel=channel(node), message=self._frames.pack(node, parts))
            )
        outcomes = await self._shards.execute(shard, queues, TIME_LIMIT)
        for parts, outcome in zip(together, outcomes, strict=True):
            self._published(parts, outcome)

    def _published(self, parts: list[Part], outcome: object) -> None:
        """`outcome`: how many listen there, or why that is not known."""
        self._reached(outcome if isinstance(outcome, Exception) else None)
        if isinstance(outcome, Exception):
            self._fail(_asks(parts))
        elif outcome:
            self.sent += len(parts)
        else:
            for number in _asks(parts):
                self._turned_away(number, NotHere())

    def _fail(self, numbers: Sequence[int]) -> None:
        """Nobody will say what came of these."""
        for number in numbers:
            asked = self._asked.over(number, Unavailable.code)
            if asked is not None:
                asked.envelope.refuse(Unavailable(effect="unknown", retry_after_ms=500))

    def _reached(self, problem: Exception | None) -> None:
        reachable = problem is None
        if reachable != self._reachable:
            error = {} if problem is None else {"error": type(problem).__name__}
            self._report("mesh.reachable" if reachable else "mesh.unreachable", error)
        self._reachable = reachable

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def listen(self) -> None:
        """For ever. A subscription that was lost, or hears nothing, is made anew at once."""
        while True:
            problem, shard = "silence", self._shards.at(channel(self.node))
            try:
                async with shard.pubsub(push_handler_func=_as_it_is) as pubsub:
                    await self._hear(pubsub)
            except UNREACHABLE as error:
                problem = type(error).__name__
                self._shards.learn(error, shard)
            if self.subscribed.is_set():
                self._report("mesh.cut_off", {"problem": problem})
                self.subscribed.clear()
            else:
                await asyncio.sleep(PAUSE)

    async def _hear(self, pubsub: Any) -> None:
        """Returns after too long a silence, or when the channel moved. Raises what Redis does when the connection breaks."""
        async with asyncio.timeout(TIME_LIMIT):
            await pubsub.ssubscribe(channel(self.node))
        first = True
        while (message := await pubsub.get_message(timeout=SILENCE)) is not None:
            if message["type"] == "sunsubscribe":
                return
            if message["type"] == "smessage":
                self.take(message["data"])
            elif message["type"] == "ssubscribe":
                self._begin(again=not first)
                first = False

    def _begin(self, *, again: bool) -> None:
        """Subscribed. What was asked before may have been answered in between: who asked is told so."""
        self.subscribed.set()
        self._fail(self._asked.all())
        self.on_gap()
        if again:
            self._report("mesh.cut_off", {"problem": "reconnected"})

    def take(self, frame: bytes) -> None:
        """One frame from the channel."""
        try:
            sender, parts = self._frames.unpack(frame)
        except BadFrame as bad:
            self.dropped[bad.flaw] += 1
            log.warning("mesh.frame_dropped", flaw=bad.flaw, size=len(frame))
            return
        for part in parts:
            self._take(sender, part)

    def _take(self, sender: str, part: Part) -> None:
        match part:
            case Ask():
                self._ask(sender, part)
            case Hint():
                self._hint(part)
            case Refusal(node=str(node)):
                self._turned_away(part.id, NotHere(node))
            case _:
                self._answered(part)

    def _hint(self, part: Hint) -> None:
        try:
            self.on_hint(part.address, part.name, bytes(part.body))
        except msgspec.DecodeError:
            self.dropped["unreadable"] += 1

    def _answered(self, part: Answer | Refusal) -> None:
        asked = self._asked.over(part.id, part.code if isinstance(part, Refusal) else None)
        if asked is None:
            return
        if isinstance(part, Refusal):
            asked.envelope.refuse(messages.refused(part))
            return
        try:
            asked.envelope.answer(messages.unpack(part.name, part.body))
        except Refused as why:  # it happened; what came of it can't be read here
            asked.envelope.refuse(Unavailable(effect="unknown", retry_after_ms=why.retry_after_ms))

    def _turned_away(self, number: int, why: NotHere) -> None:
        asked = self._asked.over(number, why.code)
        if asked is not None:
            asked.envelope.begun = False
            self.undelivered(asked.address, asked.envelope, why)

    def _ask(self, sender: str, part: Ask) -> None:
        """In vain is told at once; an answer follows when the actor gives one."""
        until = self.now() + part.within / 1000 if part.id else math.inf
        way_back = _WayBack(self, sender, part.id, until) if part.id else None
        envelope = Envelope(None, way_back, self._traces.resumed(part.trace), until=until, hops=part.hops)
        try:
            envelope.message = messages.unpack(part.name, part.body)
            self.arrived(part.address, envelope)
        except Refused as why:
            envelope.refuse(why)


def _asks(parts: list[Part]) -> Sequence[int]:
    return [part.id for part in parts if isinstance(part, Ask)]


async def _as_it_is(pushed: object) -> object:
    """Instead of redis-py's own, which writes each frame out as text for its log, whoever reads that."""
    return pushed


def _nobody(_: str, __: Envelope) -> None:
    raise NotHere


def _refuse(_: str, envelope: Envelope, why: Refused) -> None:
    envelope.refuse(why)


@asynccontextmanager
async def mesh(
    shards: Shards, node: str, key: bytes, report: Report, traces: Traces | None = None
) -> AsyncIterator[RedisMesh]:
    """Entered once its channel is subscribed to, or after a while without: a node may start while Redis is away."""
    meshed = RedisMesh(shards, node, Frames(node, key), report, traces)
    async with (
        owned(meshed.flush_for_ever(), "mesh.flush", report),
        owned(meshed.listen(), "mesh.listen", report),
        owned(meshed.beat(), "mesh.beat", report),
    ):
        try:
            await asyncio.wait_for(meshed.subscribed.wait(), TIME_LIMIT)
        except TimeoutError:
            report("mesh.not_subscribed", {})
        yield meshed
