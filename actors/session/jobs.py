"""Background work that is owed: offered to workers after the commit and on every wake, until one says how it ended."""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from actors.commands import EndJob, RequestExport
from actors.domain.addresses import owner
from actors.domain.jobs import JOBS, Job, JobOutcome
from actors.domain.refusals import ExportsClosed
from actors.journal.journaled import Accepted, Decided, Order, Stamp
from actors.questions import JobEnded, JobProgressed
from actors.runtime.actor import ChildEnded, Children
from actors.runtime.envelope import Refused
from actors.runtime.ids import derived
from actors.runtime.ref import Ref
from actors.session.state import State
from actors.session.surroundings import Surroundings
from actors.work import exports

PREFIX: Final = "job:"
"""Before the id of the job in the name of a child."""
LONGEST: Final = 300.0


class LookAgain(msgspec.Struct, frozen=True):
    """The session's own message: some job may have to be offered again."""


class Host(Protocol):
    """The session, as far as its jobs need it."""

    address: str
    state: State
    me: Ref
    children: Children
    surroundings: Surroundings

    async def accept(self, order: Order) -> Accepted: ...


class OwedJobs:
    """A child offers a job and ends at once; one timer has them offered again. Lives in its session's task."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._next: dict[str, tuple[float, float]] = {}
        """When a job that was offered is to be offered again, and how long that was after the time before."""
        self._timer: asyncio.TimerHandle | None = None

    def request_export(self, command: RequestExport, stamp: Stamp) -> Decided:
        """Raises ExportsClosed, ExportRunning, RateLimited."""
        around = self._host.surroundings
        if around.jobs is None:
            raise ExportsClosed
        return exports.request(self._host.state.background.exports, command, stamp, around.exports_every)

    def settle(self) -> None:
        """Offer what is owed and was not offered lately."""
        self.close()
        jobs, now = self._host.state.background.jobs, asyncio.get_running_loop().time()
        self._next = {job_id: when for job_id, when in self._next.items() if job_id in jobs}
        if self._host.surroundings.jobs is None:
            return
        for job_id in jobs:
            if now >= self._next.get(job_id, (now, 0.0))[0]:
                self._offer(job_id, now)
        if self._next:
            first = min(at for at, _ in self._next.values())
            self._timer = asyncio.get_running_loop().call_at(first, _tell, self._host.me)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def look_again(self, _: LookAgain) -> None:
        self.settle()

    async def heard(self, message: JobEnded) -> None:
        """A worker says that it is done; what became of it is read where it is kept."""
        self._next.pop(message.job_id, None)
        self.settle()

    async def progressed(self, message: JobProgressed) -> None:
        job = self._host.state.background.jobs.get(message.job_id)
        if job is not None:
            told = {"kind": job.kind, "subject": job.subject, "done": message.done, "total": message.total}
            self._host.surroundings.outbox.signal(self._host.address, "progress", told)

    async def ended(self, child: ChildEnded) -> None:
        """An outcome is a command like any other, once. Whatever went wrong, the job is offered again in time."""
        job_id = child.name.removeprefix(PREFIX)
        if isinstance(child.result, JobOutcome) and job_id in self._host.state.background.jobs:
            with suppress(Refused):
                await self._host.accept(Order(JOBS, derived(job_id, "end"), EndJob(job_id, child.result)))
        self.settle()

    def _offer(self, job_id: str, now: float) -> None:
        around, job, name = self._host.surroundings, self._host.state.background.jobs[job_id], PREFIX + job_id
        before = self._next.get(job_id, (now, around.jobs_again / 2))[1]
        pause = min(2 * before, LONGEST)
        self._next[job_id] = (now + pause, pause)
        if around.jobs is not None and name not in self._host.children:
            offered = Job(job.id, job.kind, owner(self._host.address), job.subject)
            self._host.children.spawn(name, around.jobs.offer(offered))


def _tell(me: Ref) -> None:
    with suppress(Refused):  # ending: who is woken next looks again
        me.tell(LookAgain())
