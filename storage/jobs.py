"""Where sessions leave their jobs: kept in MongoDB, called out in Redis."""

from actors.domain.jobs import Job, JobOutcome
from storage.mongo.jobs import MongoJobs
from storage.redis.queue import RedisQueue


class StoredJobs:
    """`actors.ports.Jobs`."""

    def __init__(self, rows: MongoJobs, queue: RedisQueue) -> None:
        self._rows = rows
        self._queue = queue

    async def offer(self, job: Job) -> JobOutcome | None:
        outcome = await self._rows.open(job)
        if outcome is None:
            await self._queue.put(job.id)
        return outcome
