"""What a session owes and no actor should hold: offered until it has ended, and ended once, whatever workers say."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from actors.commands import RequestExport
from actors.domain.addresses import session_address
from actors.domain.jobs import FAILED, ExportMade, ExportRemoved, Job, JobKind, JobOutcome
from actors.domain.refusals import ExportRunning, ExportsClosed, NotFound, RateLimited
from actors.events import Event, ExportExpired, ExportReady, JobFailed, Recorded
from actors.events import ExportRemoved as RemovedEvent
from actors.questions import ExportShown, JobEnded, JobProgressed, ShowExport, ShowProfile
from actors.runtime.envelope import Unavailable
from actors.work import exports
from scripts.embedded.mongo import ReplicaSet
from tests.session.inside import Inside, inside

MADE = JobOutcome(ExportMade(copy=1, parts=1, size=10, sha256="ab"))


class Office:
    """`ports.Jobs`: the far end. `ends` says how jobs of a kind end; until then they are only counted."""

    def __init__(self) -> None:
        self.ends: dict[JobKind, JobOutcome] = {}
        self.offered: Counter[str] = Counter()
        self.away = False
        self.called = asyncio.Event()

    async def offer(self, job: Job) -> JobOutcome | None:
        self.offered[job.kind] += 1
        self.called.set()
        if self.away:
            raise Unavailable
        return self.ends.get(job.kind)

    async def until_offered(self, kind: JobKind, times: int) -> None:
        async with asyncio.timeout(10):
            while self.offered[kind] < times:
                self.called.clear()
                await self.called.wait()


async def until(node: Inside, kind: type[Event]) -> Recorded:
    found: Recorded = await node.device.until(lambda one: isinstance(one, Recorded) and isinstance(one.data, kind))
    return found


async def begin(node: Inside) -> str:
    export_id: str = (await node.order(RequestExport())).answer.export_id
    return export_id


async def state(node: Inside, export_id: str) -> str:
    shown: ExportShown = await node.ref.ask(ShowExport(export_id), timeout=5)
    return shown.export.state


async def test_a_job_is_offered_until_it_has_ended_and_then_no_more(mongo: ReplicaSet, database: str) -> None:
    office = Office()
    office.away = True
    async with inside(mongo.url, database, jobs=office) as node:
        await node.open()
        export_id = await begin(node)
        await office.until_offered("export", 2)
        office.away = False
        await office.until_offered("export", 3)
        assert await state(node, export_id) == "running"
        with pytest.raises(ExportRunning):
            await begin(node)
        office.ends["export"] = MADE
        await until(node, ExportReady)
        offered = office.offered["export"]
        await asyncio.sleep(0.5)
        assert office.offered["export"] == offered
        assert await state(node, export_id) == "ready"
        with pytest.raises(RateLimited):
            await begin(node)


async def test_who_hears_that_a_job_ended_looks_at_once_and_strikes_it_off_once(
    mongo: ReplicaSet, database: str
) -> None:
    office = Office()
    async with inside(mongo.url, database, jobs=office) as node:
        await node.open()
        export_id = await begin(node)
        await office.until_offered("export", 1)
        session = node.session()
        assert session is not None
        assert not session.idle()
        (job_id,) = session.state.background.jobs
        node.ref.tell(JobProgressed(job_id, 1, 3))
        kind, told = await node.device.until(lambda one: isinstance(one, tuple))
        assert (kind, told) == ("progress", {"kind": "export", "subject": export_id, "done": 1, "total": 3})
        office.ends["export"] = MADE
        for _ in range(5):
            node.ref.tell(JobEnded(job_id))
        await until(node, ExportReady)
        await node.ref.ask(ShowProfile(), timeout=5)
        assert sum(isinstance(one.data, ExportReady) for one in node.device.events) == 1
        assert session.idle()


async def test_what_failed_for_good_says_so_and_may_be_asked_for_anew(mongo: ReplicaSet, database: str) -> None:
    office = Office()
    office.ends["export"] = JobOutcome(None, FAILED)
    async with inside(mongo.url, database, jobs=office) as node:
        await node.open()
        first = await begin(node)
        failed = (await until(node, JobFailed)).data
        assert isinstance(failed, JobFailed)
        assert (failed.kind, failed.subject, failed.problem) == ("export", first, "job.failed")
        assert await state(node, first) == "failed"
        assert await begin(node) != first


async def test_an_owed_job_is_offered_by_whoever_wakes_next(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database, jobs=Office()) as node:
        await node.open()
        export_id, user_id = await begin(node), node.user_id
        head = await node.log.head(session_address(user_id))
        assert head is not None
        assert head.owed_at is not None, "the clock wakes it, should nobody else"
    office = Office()
    office.ends["export"] = MADE
    async with inside(mongo.url, database, jobs=office) as node:
        node.user_id = user_id
        await node.ref.ask(ShowProfile(), timeout=5)
        await until(node, ExportReady)
        assert await state(node, export_id) == "ready"


async def test_after_its_time_a_file_is_gone_and_its_removal_is_work_like_any_other(
    mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "LIVES", timedelta(seconds=0.3))
    office = Office()
    office.ends["export"] = MADE
    async with inside(mongo.url, database, jobs=office) as node:
        await node.open()
        export_id = await begin(node)
        await until(node, ExportExpired)
        assert await state(node, export_id) == "expired"
        await office.until_offered("export.remove", 2)
        office.ends["export.remove"] = JobOutcome(ExportRemoved())
        await until(node, RemovedEvent)
        session = node.session()
        assert session is not None
        assert session.state.background.jobs == {}
        assert session.due() is None


async def test_a_stranger_s_export_is_not_found_and_without_a_place_for_files_there_is_none(
    mongo: ReplicaSet, database: str
) -> None:
    async with inside(mongo.url, database) as node:
        await node.open()
        with pytest.raises(ExportsClosed):
            await begin(node)
        with pytest.raises(NotFound):
            await state(node, node.user_id)
