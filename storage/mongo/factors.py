"""People's second factors in `factors`: who adds or removes one stands in `audit_log`, never the one without the other."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.write_concern import WriteConcern

from actors.ports import Factor, RecoveryCode
from actors.runtime.ids import uuid7
from storage.mongo.accounts import CREDENTIALS, credential_of_user
from storage.mongo.connect import KEPT, Database, Document, kept, reachable
from storage.mongo.roles import AUDIT
from storage.sealing import Box, Sealing

FACTORS: Final = "factors"


class MongoFactors:
    """`actors.ports.Factors`: `{_id: the user's id, secret, last_step, codes: [{name, hash}], added_at}`, sealed.

    Names of codes and the last step are not: they are what updates are conditional on.
    """

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._factors = kept(database, FACTORS)
        self._credentials = kept(database, CREDENTIALS)
        self._audit = kept(database, AUDIT)
        self._sealing = sealing

    async def get(self, user_id: str) -> Factor | None:
        with reachable():
            found = await self._factors.find_one({"_id": user_id})
        if found is None:
            return None
        box = await self._sealing.box(user_id)
        codes = [
            RecoveryCode(code["name"], _unseal(box, user_id, f"codes/{code['name']}", code["hash"]))
            for code in found["codes"]
        ]
        return Factor(_unseal(box, user_id, "secret", found["secret"]), found["last_step"], codes)

    async def add(self, user_id: str, factor: Factor, at: datetime) -> bool:
        box = await self._sealing.box(user_id)
        document = {
            "_id": user_id,
            "secret": _seal(box, user_id, "secret", factor.secret),
            "last_step": factor.last_step,
            "codes": _sealed(box, user_id, factor.codes),
            "added_at": at,
        }

        async def insert(session: AsyncClientSession) -> bool:
            match = {"_id": user_id}
            result = await self._factors.update_one(match, {"$setOnInsert": document}, upsert=True, session=session)
            return result.upserted_id is not None

        return await self._audited("factor.added", user_id, user_id, at, insert)

    async def advance(self, user_id: str, step: int) -> bool:
        match = {"_id": user_id, "last_step": {"$lt": step}}
        with reachable():
            return (await self._factors.update_one(match, {"$set": {"last_step": step}})).modified_count == 1

    async def spend(self, user_id: str, name: str) -> int | None:
        match, update = {"_id": user_id, "codes.name": name}, {"$pull": {"codes": {"name": name}}}
        with reachable():
            found = await self._factors.find_one_and_update(match, update, return_document=ReturnDocument.AFTER)
        return None if found is None else len(found["codes"])

    async def recode(self, user_id: str, codes: Sequence[RecoveryCode]) -> bool:
        update = {"$set": {"codes": _sealed(await self._sealing.box(user_id), user_id, codes)}}
        with reachable():
            return (await self._factors.update_one({"_id": user_id}, update)).matched_count == 1

    async def remove(self, user_id: str, by: str, at: datetime) -> bool:
        async def delete(session: AsyncClientSession) -> bool:
            return (await self._factors.delete_one({"_id": user_id}, session=session)).deleted_count == 1

        return await self._audited("factor.removed", user_id, by, at, delete)

    async def _audited(
        self, did: str, whom: str, by: str, at: datetime, change: Callable[[AsyncClientSession], Awaitable[bool]]
    ) -> bool:
        """The change and its line of the audit in one transaction."""

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
            async with self._factors.database.client.start_session() as session:
                return await session.with_transaction(both, write_concern=WriteConcern(**KEPT))


def _sealed(box: Box, user_id: str, codes: Sequence[RecoveryCode]) -> list[Document]:
    return [{"name": code.name, "hash": _seal(box, user_id, f"codes/{code.name}", code.hash)} for code in codes]


def _seal(box: Box, user_id: str, field: str, text: str) -> bytes:
    return box.seal(text.encode(), collection=FACTORS, document=user_id, field=field)


def _unseal(box: Box, user_id: str, field: str, sealed: bytes) -> str:
    return box.unseal(sealed, collection=FACTORS, document=user_id, field=field).decode()
