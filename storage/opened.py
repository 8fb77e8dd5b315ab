"""Everything that remembers, opened together: MongoDB, Redis and S3, and what of this node lives in them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from actors.runtime.outside import Report
from storage.jobs import StoredJobs
from storage.mongo import connect as mongo
from storage.mongo import schema
from storage.mongo.accounts import MongoAccounts, MongoLoginSessions
from storage.mongo.api_keys import MongoApiKeys
from storage.mongo.factors import MongoFactors
from storage.mongo.gathered import Gathered
from storage.mongo.goals import MongoGoals
from storage.mongo.heads import MongoHeads
from storage.mongo.jobs import MongoJobs
from storage.mongo.keys import KEYS, MongoKeys
from storage.mongo.lanes import Lane
from storage.mongo.log import MongoLog
from storage.mongo.mails import MongoMails
from storage.mongo.messages import MongoMessages
from storage.mongo.passkeys import MongoPasskeys
from storage.mongo.presence import MongoPresence
from storage.mongo.projections import MongoProjections
from storage.mongo.proofs import MongoProofs
from storage.mongo.roles import MongoRoles
from storage.redis import connect as redis
from storage.redis.counters import RedisCounters, counters
from storage.redis.membership import Membership, member
from storage.redis.placement import RedisPlacement, placement
from storage.redis.queue import RedisQueue
from storage.redis.shards import Shards
from storage.s3.exports import S3Exports
from storage.s3.files import S3Files, files
from storage.sealing import MASTER, Sealing, Secrets
from storage.where import Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """`log_id` is the log's own id, which only a restore changes; `membership` is this node's."""

    database: mongo.Database
    redis: Shards
    secrets: Secrets
    log_id: str
    log: MongoLog
    projections: MongoProjections
    heads: MongoHeads
    accounts: MongoAccounts
    logins: MongoLoginSessions
    roles: MongoRoles
    factors: MongoFactors
    passkeys: MongoPasskeys
    api_keys: MongoApiKeys
    mails: MongoMails
    proofs: MongoProofs
    goals: MongoGoals
    messages: MongoMessages
    presence: MongoPresence
    membership: Membership
    placement: RedisPlacement
    counters: RedisCounters
    files: S3Files | None
    job_rows: MongoJobs
    queue: RedisQueue
    jobs: StoredJobs | None
    exports: S3Exports | None

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Through which everything is written."""
        return (*self.log.lanes, *self.projections.lanes.values())

    @property
    def checks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Each raises what keeps that part from doing its own."""
        files = {} if self.files is None else {"s3": self.files.check}
        return {"mongo": self.check_mongo, "redis": self.check_redis, **files}

    async def check_mongo(self) -> None:
        """Raises whatever keeps MongoDB from taking writes and answering."""
        self.log.check()
        self.projections.check()
        await self.database.command("ping")

    async def check_redis(self) -> None:
        """Raises what Redis does when all of it is away: with a shard less, the others' addresses are still served."""
        await self.redis.check()


@asynccontextmanager
async def opened(where: Where, report: Report) -> AsyncIterator[Storage]:
    """Raises what the drivers do when a server does not answer, NotAReplicaSet, and TooNew for its schema."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        database = await enter(mongo.connected(where.mongo_url, database=where.mongo_database))
        shards = await enter(redis.connected(where.redis_url, report))
        log_id = await schema.prepare(database)
        keys = MongoKeys(database, await enter(Gathered(mongo.kept(database, KEYS))))
        sealing, secrets = Sealing(keys, where.keys), Secrets(where.keys[MASTER])
        kept = None if where.s3 is None else await enter(files(where.s3, report))
        job_rows, queue = MongoJobs(database), RedisQueue(where.redis_url)
        stack.push_async_callback(queue.close)
        membership = await enter(member(shards, report, ttl=where.ttl, every=where.every, node=where.node))
        yield Storage(
            database=database,
            redis=shards,
            secrets=secrets,
            log_id=log_id,
            log=await enter(MongoLog(database, sealing, report=report)),
            projections=await enter(MongoProjections(database, sealing, report=report)),
            heads=MongoHeads(database),
            accounts=MongoAccounts(database, sealing, secrets),
            logins=MongoLoginSessions(database, sealing),
            roles=MongoRoles(database),
            factors=MongoFactors(database, sealing),
            passkeys=MongoPasskeys(database, sealing),
            api_keys=MongoApiKeys(database, sealing),
            mails=MongoMails(database, sealing),
            proofs=MongoProofs(database, sealing, secrets),
            goals=await enter(MongoGoals(database, sealing, secrets.digest)),
            messages=MongoMessages(database, sealing),
            presence=MongoPresence(database),
            membership=membership,
            placement=await enter(placement(shards, membership, report)),
            counters=await enter(counters(shards, secrets.digest, report)),
            files=kept,
            job_rows=job_rows,
            queue=queue,
            jobs=None if kept is None else StoredJobs(job_rows, queue),
            exports=None if kept is None else S3Exports(kept, sealing),
        )
