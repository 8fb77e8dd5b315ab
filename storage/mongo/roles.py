"""Who has which role, in `credentials`, and who gave it to them, in `audit_log`: never the one without the other."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from pymongo import DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.write_concern import WriteConcern

from actors.domain.roles import Role
from actors.ports import Granted
from actors.runtime.ids import uuid7
from storage.mongo.accounts import CREDENTIALS, credential_of_user
from storage.mongo.connect import KEPT, Database, kept, reachable
from storage.mongo.queries import Query

AUDIT: Final = "audit_log"
GRANTED: Final = "role.granted"
ADMINS: Final = Query(CREDENTIALS, {"role": "admin"}, "role")


def granted_before(last: str | None) -> Query:
    """The newest first: the ids are UUIDv7, so they are in the order of time."""
    return Query(AUDIT, {} if last is None else {"_id": {"$lt": last}}, sort=[("_id", DESCENDING)])


class MongoRoles:
    """`actors.ports.Roles`: a credential without `role` is that of a plain user; `{_id, did, at, by, whom, role, before}`."""

    def __init__(self, database: Database) -> None:
        self._credentials = kept(database, CREDENTIALS)
        self._audit = kept(database, AUDIT)

    async def of(self, user_id: str) -> Role:
        with reachable():
            found = await self._credentials.find_one(credential_of_user(user_id).filter, {"role": 1})
        return _role(found)

    async def any_admin(self) -> bool:
        with reachable():
            return await self._credentials.find_one(ADMINS.filter, {"_id": 1}) is not None

    async def grant(self, user_id: str, role: Role, by: str, at: datetime) -> Role | None:
        match = credential_of_user(user_id).filter

        async def both(session: AsyncClientSession) -> Role | None:
            found = await self._credentials.find_one_and_update(
                match, {"$set": {"role": role}}, {"role": 1}, session=session
            )
            before = _role(found)
            if found is not None and before != role:
                words = {"at": at, "by": by, "whom": user_id, "role": role, "before": before}
                await self._audit.insert_one({"_id": uuid7(at), "did": GRANTED, **words}, session=session)
            return None if found is None else before

        with reachable():
            async with self._credentials.database.client.start_session() as session:
                return await session.with_transaction(both, write_concern=WriteConcern(**KEPT))

    async def granted(self, limit: int, last: str | None) -> Sequence[Granted]:
        with reachable():
            found = await granted_before(last).find(self._audit, limit).to_list()
        return [
            Granted(one["_id"], one["at"], one["by"], one["whom"], one["role"], one["before"], one["did"])
            for one in found
        ]


def _role(document: Mapping[str, Any] | None) -> Role:
    return "user" if document is None else cast("Role", document.get("role", "user"))
