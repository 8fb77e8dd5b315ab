"""Group commit: what was handed in while a flush was on its way goes out together in the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import pymongo
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from actors.runtime.envelope import Overloaded, Unavailable
from actors.runtime.outside import Report
from actors.runtime.tracing import Span, trace_id
from storage.mongo.connect import KEPT, TIMEOUT_MS, Database, Reply

DONE: Final = 0
UNKNOWN: Final = -1
DUPLICATE: Final = 11000
"""What becomes of a write: done for good, perhaps done, or the server's error code (here: of a taken key)."""

SCHEMA: Final = "schema"

Send = Callable[[Sequence[RawBSONDocument]], Awaitable[Reply]]
Probe = Callable[[], Awaitable[Reply]]


class Limits(msgspec.Struct, frozen=True):
    """One flush takes `batch` writes or `batch_bytes`; beyond what may wait, new writes are refused: overloaded.

    Times are seconds. `stalled`: how long nothing may succeed before the lane says so; `probe`: how often a lane in
    trouble without work asks whether it is over.
    """

    batch: int = 500
    batch_bytes: int = 2_000_000
    waiting: int = 20_000
    waiting_bytes: int = 64_000_000
    flush: float = TIMEOUT_MS / 1000
    stalled: float = 1.0
    probe: float = 0.25
    close: float = 6.0


def verdicts(reply: Reply, count: int) -> list[int]:
    """What the server's answer to an unordered batch of `count` writes says about each of them.

    A write without an error is done only when the write concern was met and the sum of the writes agrees: on a write
    concern error it may yet be rolled back. An error of a single write stands in either case, but a taken key is a
    hint: what took it may be rolled back too.
    """
    codes = {error["index"]: int(error["code"]) for error in reply.get("writeErrors", ())}
    confirmed = "writeConcernError" not in reply and reply.get("n") == count - len(codes)
    others = DONE if confirmed else UNKNOWN
    return [codes.get(index, others) for index in range(count)] if codes else [others] * count


class _Write(msgspec.Struct, gc=False):
    document: RawBSONDocument
    size: int
    verdict: asyncio.Future[int]
    span: Span | None


class Lane:
    """One flush at a time, by one task. Entered on its owner's stack; leaving sends what still waits."""

    def __init__(self, name: str, send: Send, *, probe: Probe, report: Report, limits: Limits | None = None) -> None:
        self.name = name
        self.limits = limits or Limits()
        self.flushes = 0
        self.writes = 0
        self._send = send
        self._probe = probe
        self._report = report
        self._waiting: deque[_Write] = deque()  # bounded in `put`: beyond the limits a write is refused
        self._bytes = 0
        self._more = asyncio.Event()
        self._closed = False
        self._behind: float | None = None
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"lane {self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._more.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self.limits.close)
            self._task.cancel()
            await asyncio.wait({self._task})
        _settle(self._waiting, [UNKNOWN] * len(self._waiting))
        self._waiting.clear()

    def __len__(self) -> int:
        """How many writes wait for the next flush."""
        return len(self._waiting)

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits, nothing is on its way, and the last flush came through."""
        return not self._waiting and self._behind is None

    def put(self, encoded: bytes) -> asyncio.Future[int]:
        """Hand in a write as BSON; the future tells what became of it. Raises Overloaded, or Unavailable when closed."""
        if self._closed:
            raise Unavailable(retry_after_ms=1000)
        size = len(encoded)
        if len(self._waiting) >= self.limits.waiting or self._bytes + size > self.limits.waiting_bytes:
            raise Overloaded(retry_after_ms=1000)
        verdict, trace = asyncio.get_running_loop().create_future(), trace_id.get()
        span = trace.begin(self.name, "client") if isinstance(trace, Span) else None
        self._waiting.append(_Write(RawBSONDocument(encoded), size, verdict, span))
        self._bytes += size
        self._more.set()
        return verdict

    def stalled(self) -> bool:
        """Whether nothing has come through for too long: a flush hangs, or all since then have failed."""
        return self._behind is not None and asyncio.get_running_loop().time() - self._behind > self.limits.stalled

    async def _run(self) -> None:
        while await self._work_or_trouble():
            batch = self._take()
            if batch:
                await self._flush(batch)
            elif self._behind is not None:
                await self._attempt(self._probe(), 1)

    async def _work_or_trouble(self) -> bool:
        """Waits for something to send, or in trouble for the next probe; false when closed and empty."""
        if not self._waiting and not self._closed:
            self._more.clear()
            try:
                async with asyncio.timeout(None if self._behind is None else self.limits.probe):
                    await self._more.wait()
            except TimeoutError:
                return True
        return bool(self._waiting) or not self._closed

    def _take(self) -> list[_Write]:
        batch: list[_Write] = []
        size = 0
        while self._waiting and len(batch) < self.limits.batch:
            size += self._waiting[0].size
            if batch and size > self.limits.batch_bytes:
                break
            batch.append(self._waiting.popleft())
        self._bytes -= sum(write.size for write in batch)
        return batch

    async def _flush(self, batch: list[_Write]) -> None:
        found = [UNKNOWN] * len(batch)
        spans = [write.span.begin("flush", writes=len(batch)) for write in batch if write.span is not None]
        try:
            found = await self._attempt(self._send([write.document for write in batch]), len(batch))
        finally:
            for span in spans:
                span.end()
            _settle(batch, found)
        self.flushes += 1
        self.writes += len(batch)

    async def _attempt(self, sending: Awaitable[Reply], count: int) -> list[int]:
        """What became of each write; keeps track of how long nothing has succeeded."""
        if self._behind is None:
            self._behind = asyncio.get_running_loop().time()
        found, trouble = [UNKNOWN] * count, ""
        try:
            with pymongo.timeout(self.limits.flush):
                reply = await sending
            found = verdicts(reply, count)
            if UNKNOWN in found:
                trouble = f"unconfirmed {reply.get('writeConcernError', {}).get('code')}"
        except PyMongoError as error:
            trouble = type(error).__name__
        except Exception as error:  # noqa: BLE001 - a bug in the driver must not leave anybody waiting for ever
            trouble = f"bug: {type(error).__name__}"
        self._tell(trouble)
        return found

    def _tell(self, trouble: str) -> None:
        """Reports the first failure and the first success after it, not each one between."""
        if trouble and not self._failing:
            self._report("store.trouble", {"lane": self.name, "error": trouble})
        elif not trouble:
            if self._failing:
                self._report("store.recovered", {"lane": self.name})
            self._behind = None
        self._failing = bool(trouble)


def check(lanes: Iterable[Lane]) -> None:
    """Raises Unavailable when one of them is stalled."""
    if any(lane.stalled() for lane in lanes):
        raise Unavailable(retry_after_ms=1000)


async def at_rest(lanes: Iterable[Lane]) -> None:
    """Returns once everything handed in has been written."""
    for lane in lanes:
        while not lane.at_rest:  # noqa: ASYNC110 - asked once in a node's life
            await asyncio.sleep(0.02)


async def entered(lanes: Iterable[Lane]) -> AsyncExitStack:
    """Lanes that work; closing the stack closes all at once, so that it takes as long as the slowest of them."""
    opened = [await lane.__aenter__() for lane in lanes]
    stack = AsyncExitStack()
    stack.push_async_callback(_close, opened)
    return stack


async def _close(lanes: Sequence[Lane]) -> None:
    await asyncio.gather(*(lane.__aexit__(None, None, None) for lane in lanes))


def _settle(writes: Sequence[_Write] | deque[_Write], found: Sequence[int]) -> None:
    for write, verdict in zip(writes, found, strict=True):
        if not write.verdict.done():
            write.verdict.set_result(verdict)
        if write.span is not None:
            write.span.end(None if verdict == DONE else str(verdict))


def batches(database: Database, command: str, collection: str, concern: Mapping[str, Any]) -> Send:
    """Unordered batches of encoded writes as the server takes them; the driver's own bulk calls cost more and say less.

    The driver does not try such a command twice. It need not: whoever hands a write in does so again when its outcome
    is not known, and all writes here can be repeated.
    """
    field = {"insert": "documents", "update": "updates"}[command]

    async def send(writes: Sequence[RawBSONDocument]) -> Reply:
        return await database.command({command: collection, field: writes, "ordered": False, "writeConcern": concern})

    return send


def probes(database: Database) -> Probe:
    """A write that means nothing, kept by a majority: what has to work before a lane is well again."""
    update = {"q": {"_id": "probe"}, "u": {"$currentDate": {"at": True}}, "upsert": True}

    async def probe() -> Reply:
        return await database.command({"update": SCHEMA, "updates": [update], "writeConcern": KEPT})

    return probe
