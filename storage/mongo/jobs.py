"""Background work, one document a job: who does it, how often it was tried, how it ended. Dead letters stay."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from actors.domain.jobs import FAILED, Job, JobOutcome, JobResult
from actors.ports import Claimed
from storage.mongo.connect import Database, Document, kept, reachable
from storage.mongo.queries import Query

COLLECTION: Final = "jobs"
WAITS: Final = {"since": ""}
EVER: Final = datetime.fromtimestamp(0, UTC)
"""A new job may be claimed at once, whatever the clocks of nodes and workers say."""


def job_open(job_id: str, now: datetime) -> Query:
    """A job that waits, or whose worker has been silent for too long."""
    return Query(COLLECTION, {"_id": job_id, "state": "open", "until": {"$lte": now}})


def jobs_waiting() -> Query:
    """Jobs that have not ended, the oldest first."""
    return Query(COLLECTION, {"since": {"$gt": EVER}}, "waiting", [("since", ASCENDING)])


class MongoJobs:
    """`actors.ports.JobRows`: `{_id, kind, owner, subject, state, attempts, excused, until, since?, result?, why?, done_at?}`.

    A claim is an `until` in the future: a worker that dies lets go of it by doing nothing. `attempts` fences: what a
    worker says counts as long as nobody has claimed the job after it. `dead` counts what turned out to be a dead letter.
    """

    def __init__(self, database: Database) -> None:
        self._jobs = kept(database, COLLECTION)
        self.dead = 0

    async def open(self, job: Job) -> JobOutcome | None:
        """There is such a job from now on; how it ended, if it has."""
        fresh = {
            **msgspec.to_builtins(job),
            "state": "open",
            "attempts": 0,
            "excused": 0,
            "until": EVER,
            "since": datetime.now(UTC),
        }
        del fresh["id"]
        with reachable():
            try:
                found = await self._jobs.find_one_and_update(
                    {"_id": job.id}, {"$setOnInsert": fresh}, upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:  # another was first
                found = await self._jobs.find_one({"_id": job.id})
        outcome = None if found is None else _outcome(found)
        self.dead += outcome is not None and outcome.problem is not None
        return outcome

    async def claim(self, job_id: str, now: datetime, until: datetime) -> Claimed | None:
        with reachable():
            found = await self._jobs.find_one_and_update(
                job_open(job_id, now).filter,
                {"$inc": {"attempts": 1}, "$set": {"until": until}},
                return_document=ReturnDocument.AFTER,
            )
        if found is None:
            return None
        job = Job(found["_id"], found["kind"], found["owner"], found["subject"])
        return Claimed(job, found["attempts"], found["attempts"] - found["excused"])

    async def renew(self, claimed: Claimed, until: datetime) -> None:
        await self._update(claimed, {"$set": {"until": until}})

    async def let_go(self, claimed: Claimed, until: datetime, *, excused: bool) -> None:
        await self._update(claimed, {"$set": {"until": until}, "$inc": {"excused": int(excused)}})

    async def end(self, claimed: Claimed, result: JobResult, at: datetime) -> None:
        ended = {"state": "done", "result": msgspec.to_builtins(result), "done_at": at}
        await self._update(claimed, {"$set": ended, "$unset": WAITS})

    async def bury(self, claimed: Claimed, why: str, at: datetime) -> bool:
        return await self._update(claimed, {"$set": {"state": "dead", "why": why, "died_at": at}, "$unset": WAITS})

    async def oldest(self) -> datetime | None:
        """Since when the oldest job waits that has not ended. Raises Unavailable."""
        with reachable():
            found = await jobs_waiting().find(self._jobs, 1).to_list()
        since: datetime | None = found[0]["since"] if found else None
        return since

    async def _update(self, claimed: Claimed, update: Document) -> bool:
        mine = {"_id": claimed.job.id, "state": "open", "attempts": claimed.attempt}
        with reachable():
            return bool((await self._jobs.update_one(mine, update)).matched_count)


def _outcome(document: dict[str, Any]) -> JobOutcome | None:
    if document["state"] == "done":
        return JobOutcome(msgspec.convert(document["result"], JobResult))
    return JobOutcome(None, FAILED) if document["state"] == "dead" else None
