"""A job in a worker's hands, kept in a real MongoDB: one effect, whoever dies, wakes late or fails."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest_asyncio

from actors.domain.jobs import FAILED, ExportMade, Job, JobOutcome
from actors.jobs.worker import Limits, Progress, Work, Worker
from actors.ports import Claimed
from actors.questions import JobEnded
from actors.runtime.envelope import Unavailable
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.connect import connected
from storage.mongo.jobs import MongoJobs
from tests.alone import WallClock

QUICK = Limits(attempts=2, lease=0.3, pause=0.01, patience=1)


def job() -> Job:
    return Job(str(uuid.uuid4()), "export", str(uuid.uuid4()), str(uuid.uuid4()))


def made(claimed: Claimed) -> ExportMade:
    return ExportMade(claimed.attempt, 1, 10, "ab")


@dataclass
class Bench:
    """Where one worker stands, and what it told."""

    rows: MongoJobs
    told: list[tuple[str, Any]] = field(default_factory=list)
    attempts: int = 0

    def worker(self, work: Work, limits: Limits = QUICK) -> Worker:
        async def tell(user_id: str, message: Any) -> None:
            self.told.append((user_id, message))

        def report(event: str, fields: dict[str, Any]) -> None:
            raise AssertionError((event, fields))

        async def counted(claimed: Claimed, progress: Progress) -> Any:
            self.attempts += 1
            return await work(claimed, progress)

        return Worker(self.rows, {"export": counted}, tell, WallClock(), report, limits)

    async def outcome(self, one: Job) -> JobOutcome | None:
        return await self.rows.open(one)


@pytest_asyncio.fixture
async def bench(mongo: ReplicaSet, database: str) -> AsyncIterator[Bench]:
    async with connected(mongo.url, database=database) as opened:
        yield Bench(MongoJobs(opened))


async def works(claimed: Claimed, _: Progress) -> ExportMade:
    return made(claimed)


async def test_a_job_is_done_once_though_it_is_taken_out_many_times(bench: Bench) -> None:
    one = job()
    assert await bench.outcome(one) is None
    worker = bench.worker(works)
    await asyncio.gather(*(worker.do(one.id) for _ in range(5)))
    await worker.do(one.id)
    assert bench.attempts == 1
    assert worker.outcomes == {"done": 1}
    assert await bench.rows.oldest() is None
    assert await bench.outcome(one) == JobOutcome(ExportMade(1, 1, 10, "ab"))
    assert bench.told == [(one.owner, JobEnded(one.id))]


async def test_what_nobody_owes_is_not_done(bench: Bench) -> None:
    await bench.worker(works).do(str(uuid.uuid4()))
    assert (bench.attempts, bench.told) == (0, [])


async def test_as_long_as_a_worker_lives_no_other_takes_its_job(bench: Bench) -> None:
    one = job()
    await bench.outcome(one)

    async def slow(claimed: Claimed, _: Progress) -> ExportMade:
        await asyncio.sleep(4 * QUICK.lease)
        return made(claimed)

    doing = asyncio.create_task(bench.worker(slow).do(one.id), name="slow")
    await asyncio.sleep(2 * QUICK.lease)
    await bench.worker(works).do(one.id)
    await doing
    assert bench.attempts == 1


async def test_what_a_worker_says_after_its_claim_has_passed_to_another_is_not_taken(bench: Bench) -> None:
    one, now = job(), datetime.now(UTC)
    await bench.outcome(one)
    frozen = await bench.rows.claim(one.id, now, now + timedelta(seconds=1))
    later = now + timedelta(seconds=2)
    heir = await bench.rows.claim(one.id, later, later + timedelta(seconds=1))
    assert frozen is not None
    assert heir is not None
    assert (frozen.attempt, heir.attempt) == (1, 2)
    await bench.rows.end(frozen, made(frozen), later)
    assert not await bench.rows.bury(frozen, "late", later)
    assert await bench.outcome(one) is None
    await bench.rows.end(heir, made(heir), later)
    assert await bench.outcome(one) == JobOutcome(made(heir))


async def test_a_job_that_fails_once_is_tried_again(bench: Bench) -> None:
    one = job()
    await bench.outcome(one)

    async def at_second(claimed: Claimed, _: Progress) -> ExportMade:
        if claimed.attempt == 1:
            raise RuntimeError
        return made(claimed)

    await bench.worker(at_second).do(one.id)
    assert await bench.outcome(one) == JobOutcome(ExportMade(2, 1, 10, "ab"))


async def test_a_job_that_always_fails_is_buried(bench: Bench) -> None:
    one = job()
    await bench.outcome(one)

    async def never(_: Claimed, __: Progress) -> ExportMade:
        raise RuntimeError

    await bench.worker(never).do(one.id)
    assert bench.attempts == QUICK.attempts
    assert await bench.outcome(one) == JobOutcome(None, FAILED)
    assert bench.told == [(one.owner, JobEnded(one.id))]


async def test_a_job_that_takes_its_worker_with_it_is_buried_too(bench: Bench) -> None:
    one, now = job(), datetime.now(UTC)
    await bench.outcome(one)
    for _ in range(QUICK.attempts):  # workers that died of it: nobody ever said what became of their claims
        assert await bench.rows.claim(one.id, now, now) is not None
    await bench.worker(works).do(one.id)
    assert bench.attempts == 0
    assert await bench.outcome(one) == JobOutcome(None, FAILED)


async def test_what_is_away_is_no_fault_of_the_job(bench: Bench) -> None:
    """S3 is away for longer than a job is tried: it is left, still owed, and done when it is offered again."""
    one = job()
    await bench.outcome(one)

    async def away(_: Claimed, __: Progress) -> ExportMade:
        raise Unavailable

    for _ in range(3):
        await bench.worker(away).do(one.id)
    assert bench.attempts > QUICK.attempts
    assert await bench.outcome(one) is None
    await bench.worker(works).do(one.id)
    outcome = await bench.outcome(one)
    assert outcome is not None
    assert outcome.problem is None


async def test_a_job_that_never_ends_is_cut_short(bench: Bench) -> None:
    one = job()
    await bench.outcome(one)

    async def stuck(_: Claimed, __: Progress) -> ExportMade:
        await asyncio.Event().wait()
        raise AssertionError

    await bench.worker(stuck, Limits(attempts=1, lease=1.0, longest=0.05, pause=0.01)).do(one.id)
    assert await bench.outcome(one) == JobOutcome(None, FAILED)
