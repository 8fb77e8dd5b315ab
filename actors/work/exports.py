"""A person's data as one file: asked for, made and removed by jobs, and theirs for a day."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from actors.commands import EndJob, ExpireExport, RequestExport
from actors.domain.exports import LIVES, Background, Export, held
from actors.domain.jobs import FAILED, ExportMade, JobKind, OwedJob
from actors.domain.refusals import Conflict, ExportRunning, RateLimited
from actors.events import Event, ExportExpired, ExportReady, ExportRemoved, ExportRequested, JobFailed
from actors.journal.journaled import Decided, Stamp
from actors.runtime.ids import derived


class ExportBegun(msgspec.Struct, frozen=True):
    """It is put together from now on."""

    export_id: str


def making(export_id: str) -> str:
    """The id of the job that makes the file."""
    return derived(export_id, "make")


def removing(export_id: str) -> str:
    """The id of the job that removes it."""
    return derived(export_id, "remove")


def request(exports: Mapping[str, Export], _: RequestExport, stamp: Stamp, every: timedelta) -> Decided:
    """One at a time, and the next so long after the one before; one that failed does not count.

    Raises ExportRunning, RateLimited.
    """
    if any(one.state == "running" for one in exports.values()):
        raise ExportRunning
    last = max((one.requested_at for one in exports.values() if one.state != "failed"), default=None)
    if last is not None and stamp.at < last + every:
        raise RateLimited(retry_after_ms=int((last + every - stamp.at).total_seconds() * 1000))
    export_id = stamp.new_id()
    return Decided([ExportRequested(export_id)], ExportBegun(export_id))


def expire(exports: Mapping[str, Export], command: ExpireExport, _: Stamp) -> Decided:
    """Raises Conflict for what can't be fetched anyway."""
    export = exports.get(command.export_id)
    if export is None or export.state != "ready":
        raise Conflict
    return Decided([ExportExpired(export.id)], None)


def end_job(jobs: Mapping[str, OwedJob], command: EndJob, stamp: Stamp) -> Decided:
    """The debt is struck off. Raises Conflict when it is not owed (any more)."""
    job = jobs.get(command.job_id)
    if job is None:
        raise Conflict
    return Decided([_ended(job, command, stamp)], None)


def _ended(job: OwedJob, command: EndJob, stamp: Stamp) -> Event:
    made, problem = command.outcome.result, command.outcome.problem
    if made is None:
        return JobFailed(job.id, job.kind, job.subject, problem or FAILED)
    if isinstance(made, ExportMade):
        return ExportReady(job.subject, made.size, made.sha256, stamp.at + LIVES, made.copy, made.parts)
    return ExportRemoved(job.subject)


def folded(background: Background, event: Event, at: datetime) -> Background:
    """What is owed and kept after one more event."""
    return FOLDS[type(event)](background, event, at)


def _requested(before: Background, event: ExportRequested, at: datetime) -> Background:
    export = Export(id=event.export_id, state="running", requested_at=at)
    return _owing(_with(before, export), making(export.id), "export", export.id, at)


def _ready(before: Background, event: ExportReady, _: datetime) -> Background:
    made = ExportMade(event.copy, event.parts, event.size, event.sha256)
    export = replace(before.exports[event.export_id], state="ready", made=made, expires_at=event.expires_at)
    return _struck_off(_with(before, export), making(export.id))


def _expired(before: Background, event: ExportExpired, at: datetime) -> Background:
    export = replace(before.exports[event.export_id], state="expired")
    return _owing(_with(before, export), removing(export.id), "export.remove", export.id, at)


def _removed(before: Background, event: ExportRemoved, _: datetime) -> Background:
    return _struck_off(before, removing(event.export_id))


def _failed(before: Background, event: JobFailed, _: datetime) -> Background:
    if event.kind == "export":
        before = _with(before, replace(before.exports[event.subject], state="failed", problem=event.problem))
    return _struck_off(before, event.job_id)


FOLDS: Final[dict[type[Event], Callable[[Background, Any, datetime], Background]]] = {
    ExportRequested: _requested,
    ExportReady: _ready,
    ExportExpired: _expired,
    ExportRemoved: _removed,
    JobFailed: _failed,
}


def _with(before: Background, export: Export) -> Background:
    return replace(before, exports=held({**before.exports, export.id: export}))


def _owing(before: Background, job_id: str, kind: JobKind, subject: str, at: datetime) -> Background:
    return replace(before, jobs={**before.jobs, job_id: OwedJob(job_id, kind, subject, at)})


def _struck_off(before: Background, job_id: str) -> Background:
    return replace(before, jobs={name: job for name, job in before.jobs.items() if name != job_id})
