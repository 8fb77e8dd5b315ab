"""Changes of how people sign in stand in `audit_log`: never the one without the other."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.write_concern import WriteConcern

from actors.runtime.ids import uuid7
from storage.mongo.accounts import CREDENTIALS, credential_of_user
from storage.mongo.connect import KEPT, Database, kept, reachable
from storage.mongo.roles import AUDIT


class Audit:
    """Lines as `MongoRoles` writes them; the role stays what it is."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._credentials = kept(database, CREDENTIALS)
        self._audit = kept(database, AUDIT)

    async def change(
        self, did: str, whom: str, by: str, at: datetime, change: Callable[[AsyncClientSession], Awaitable[bool]]
    ) -> bool:
        """Whether `change` changed anything: then its line is there too, of one transaction. Raises Unavailable."""

        async def both(session: AsyncClientSession) -> bool:
            changed = await change(session)
            if changed:
                match = credential_of_user(whom).filter
                person: dict[str, Any] = await self._credentials.find_one(match, {"role": 1}, session=session) or {}
                role = person.get("role", "user")
                words = {"at": at, "by": by, "whom": whom, "role": role, "before": role}
                await self._audit.insert_one({"_id": uuid7(at), "did": did, **words}, session=session)
            return changed

        with reachable():
            async with self._client.start_session() as session:
                return await session.with_transaction(both, write_concern=WriteConcern(**KEPT))
