"""What becomes of a job in a worker's hands: claimed, tried again after a pause, ended, or buried as a dead letter."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from actors.domain.jobs import JobKind, JobResult
from actors.journal.outside import Timers
from actors.ports import Claimed, JobRows
from actors.questions import JobEnded, JobProgressed
from actors.runtime.envelope import Refused, Unavailable
from actors.runtime.outside import Report
from actors.runtime.owned import owned

Progress = Callable[[int, int], Awaitable[None]]
"""So much is done, of so much."""
Work = Callable[[Claimed, Progress], Awaitable[JobResult]]
"""Does a job. It may be done twice, beside itself too: what it makes carries the number of the attempt."""
Tell = Callable[[str, Any], Awaitable[None]]
"""Tells a user's session something that it would learn by itself later. Raises Refused."""

log = structlog.get_logger(__name__)


class Limits(msgspec.Struct, frozen=True):
    """Attempts until a job is buried; seconds a silent worker's claim holds, a job may take, and before the second attempt."""

    attempts: int = 5
    lease: float = 15.0
    longest: float = 3_600.0
    pause: float = 1.0
    longest_pause: float = 60.0
    patience: int = 5
    """Attempts in a row that fail for an outer reason, before the job is left to whoever it is offered to next."""


class Worker:
    """`do` may be called for many jobs at once; nothing of a job is said in a log but its id and kind."""

    def __init__(
        self,
        rows: JobRows,
        works: Mapping[JobKind, Work],
        tell: Tell,
        timers: Timers,
        report: Report,
        limits: Limits | None = None,
    ) -> None:
        self._rows = rows
        self._works = works
        self._tell = tell
        self._timers = timers
        self._report = report
        self._limits = limits or Limits()
        self.in_hand = 0
        self.outcomes: Counter[str] = Counter()
        """Attempts by how they ended: `done`, `failed` (tried again), `not_now` (something is away) or `dead`."""

    async def do(self, job_id: str) -> None:
        """Until the job has ended, or is another's, or can't be done now: then it is offered again as long as it is owed."""
        try:
            for tried in range(self._limits.attempts + self._limits.patience):
                claimed = await self._rows.claim(job_id, self._timers.now(), self._after(self._limits.lease))
                pause = self._pause(tried)
                if claimed is None or await self._over(claimed, pause):
                    return
                await asyncio.sleep(pause)
        except Unavailable:
            log.warning("jobs.unavailable", job=job_id)

    async def _over(self, claimed: Claimed, pause: float) -> bool:
        """Whether one attempt was enough; else nobody tries again before the pause is over."""
        if claimed.counted > self._limits.attempts:  # the last one did not live to say what was wrong
            await self._bury(claimed, "crashed")
            return True
        self.in_hand += 1
        try:
            result = await self._tried(claimed)
        except Unavailable:
            self.outcomes["not_now"] += 1
            log.warning("job.not_now", job=claimed.job.id, kind=claimed.job.kind)
            await self._rows.let_go(claimed, self._after(pause), excused=True)
            return False
        except Exception as error:  # noqa: BLE001 - whatever the job's bug, the worker and the other jobs live on
            return await self._failed(claimed, error, pause)
        finally:
            self.in_hand -= 1
        await self._rows.end(claimed, result, self._timers.now())
        self.outcomes["done"] += 1
        log.info("job.done", job=claimed.job.id, kind=claimed.job.kind, attempt=claimed.attempt)
        await self._say(claimed, JobEnded(claimed.job.id))
        return True

    async def _tried(self, claimed: Claimed) -> JobResult:
        """Raises whatever the work does, and TimeoutError."""
        work, name = self._works[claimed.job.kind], f"job.lease/{claimed.job.id}"

        async def progress(done: int, total: int) -> None:
            await self._say(claimed, JobProgressed(claimed.job.id, done, total))

        async with owned(self._renewed(claimed), name, self._report), asyncio.timeout(self._limits.longest):
            return await work(claimed, progress)

    async def _renewed(self, claimed: Claimed) -> None:
        """For ever: as long as this lives, nobody else may claim the job."""
        while True:
            await asyncio.sleep(self._limits.lease / 3)
            with suppress(Unavailable):  # then it lapses, and a second worker does no harm
                await self._rows.renew(claimed, self._after(self._limits.lease))

    async def _failed(self, claimed: Claimed, error: Exception, pause: float) -> bool:
        what = {"job": claimed.job.id, "kind": claimed.job.kind, "error": type(error).__name__}
        log.warning("job.failed", attempt=claimed.attempt, exc_info=error, **what)
        if claimed.counted < self._limits.attempts:
            self.outcomes["failed"] += 1
            await self._rows.let_go(claimed, self._after(pause), excused=False)
            return False
        await self._bury(claimed, type(error).__name__)
        return True

    async def _bury(self, claimed: Claimed, why: str) -> None:
        if await self._rows.bury(claimed, why, self._timers.now()):
            self.outcomes["dead"] += 1
            log.critical("job.dead", job=claimed.job.id, kind=claimed.job.kind, error=why, attempts=claimed.attempt)
        await self._say(claimed, JobEnded(claimed.job.id))

    async def _say(self, claimed: Claimed, message: Any) -> None:
        with suppress(Refused):
            await self._tell(claimed.job.owner, message)

    def _after(self, seconds: float) -> datetime:
        return self._timers.now() + timedelta(seconds=seconds)

    def _pause(self, tried: int) -> float:
        pause = min(self._limits.pause * 2.0**tried, self._limits.longest_pause)
        return pause * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, hides nothing
