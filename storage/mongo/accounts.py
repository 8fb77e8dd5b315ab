"""People's ways in: `credentials` (one per mail address) and `login_sessions` (one per signed-in device)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.write_concern import WriteConcern

from actors.ports import Credential, LoginSession, NewCredential
from actors.runtime.envelope import Unavailable
from storage.mongo.connect import KEPT, Collection, Database, Document, kept, reachable
from storage.mongo.queries import Query
from storage.sealing import Box, Sealing, Secrets

CREDENTIALS: Final = "credentials"
LOGIN_SESSIONS: Final = "login_sessions"
MAX_LISTED: Final = 200
LOOK: Final = 2.0
"""Seconds a bearer waits for being looked up."""


class _Person(msgspec.Struct, array_like=True):
    """What the session's first command will need, beside the language; kept until it has taken it."""

    name: str
    tz: str


def credential_of(index: bytes) -> Query:
    return Query(CREDENTIALS, {"_id": index.hex()})


def credential_of_user(user_id: str) -> Query:
    return Query(CREDENTIALS, {"user": user_id}, "user")


def sessions_of(user_id: str) -> Query:
    """Those of a user that were not revoked, newest first."""
    return Query(LOGIN_SESSIONS, {"user": user_id, "revoked_at": None}, "user", [("created_at", DESCENDING)])


def revoked_since(since: datetime) -> Query:
    return Query(LOGIN_SESSIONS, {"revoked_at": {"$gte": since}}, "revoked", [("revoked_at", ASCENDING)])


class MongoAccounts:
    """`actors.ports.Accounts`: `{_id: blind index, user, email, password, language, person?, opened, created_at,
    confirmed_at?, moved_at?}`.

    The index of the mail address is the id, so two can't claim one address whatever other index is missing.
    """

    def __init__(self, database: Database, sealing: Sealing, secrets: Secrets) -> None:
        self._credentials = kept(database, CREDENTIALS)
        self._sealing = sealing
        self._secrets = secrets

    async def claim(self, credential: NewCredential) -> bool:
        """False when the mail address is taken by another user. Raises Unavailable, and then it may be claimed."""
        index = self._secrets.blind_index(credential.email)
        document = _claimed(await self._sealing.box(credential.user_id), index.hex(), credential)
        try:
            await self._credentials.insert_one(document)
        except DuplicateKeyError:
            return await self._claimed_by(index) == credential.user_id
        except PyMongoError as error:
            raise Unavailable(effect="unknown", retry_after_ms=1000) from error
        return True

    async def by_mail(self, email: str) -> Credential | None:
        with reachable():
            found = await self._credentials.find_one(credential_of(self._secrets.blind_index(email)).filter)
        return None if found is None else _credential(await self._sealing.box(found["user"]), found)

    async def of_user(self, user_id: str) -> Credential | None:
        with reachable():
            found = await self._credentials.find_one(credential_of_user(user_id).filter)
        return None if found is None else _credential(await self._sealing.box(user_id), found)

    async def opened(self, user_id: str) -> None:
        update = {"$set": {"opened": True}, "$unset": {"person": ""}}
        with reachable():
            await self._credentials.update_one(credential_of_user(user_id).filter, update)

    async def unclaim(self, user_id: str) -> None:
        with reachable():
            await self._credentials.delete_one({**credential_of_user(user_id).filter, "opened": False})

    async def rehash(self, user_id: str, password_hash: str) -> None:
        match = credential_of_user(user_id).filter
        with reachable():
            found = await self._credentials.find_one(match, {"_id": 1})
            if found is None:
                return
            sealed = _seal(await self._sealing.box(user_id), CREDENTIALS, found["_id"], "password", password_hash)
            await self._credentials.update_one(match, {"$set": {"password": sealed}})

    async def confirm(self, user_id: str, email: str, at: datetime) -> bool:
        mine = {**credential_of(self._secrets.blind_index(email)).filter, "user": user_id}
        with reachable():
            result = await self._credentials.update_one(mine, {"$set": {"confirmed_at": at}})
        return result.matched_count == 1

    async def move(self, user_id: str, email: str, at: datetime) -> bool:
        with reachable():
            found = await self._credentials.find_one(credential_of_user(user_id).filter)
        if found is None:
            return False
        index = self._secrets.blind_index(email).hex()
        if index == found["_id"]:
            return await self.confirm(user_id, email, at)
        moved = _moved(await self._sealing.box(user_id), found, index, email)
        return await self._replace(found["_id"], {**moved, "confirmed_at": at, "moved_at": at})

    async def told(self, user_id: str, moved_at: datetime) -> None:
        match = {**credential_of_user(user_id).filter, "moved_at": moved_at}
        with reachable():
            await self._credentials.update_one(match, {"$unset": {"moved_at": ""}})

    async def _replace(self, before: str, document: Document) -> bool:
        """Two documents, so a transaction: an address is the id of its document."""

        async def both(session: AsyncClientSession) -> bool:
            gone = await self._credentials.delete_one({"_id": before, "user": document["user"]}, session=session)
            if gone.deleted_count:
                await self._credentials.insert_one(document, session=session)
            return bool(gone.deleted_count)

        client = self._credentials.database.client
        with reachable():
            try:
                async with client.start_session() as session:
                    return await session.with_transaction(both, write_concern=WriteConcern(**KEPT))
            except DuplicateKeyError:
                return False

    async def _claimed_by(self, index: bytes) -> str | None:
        with reachable():
            found = await self._credentials.find_one(credential_of(index).filter, {"user": 1})
        return None if found is None else str(found["user"])


class MongoLoginSessions:
    """`actors.ports.LoginSessions`: the Struct's fields, `user` for the user's id, `key` and `device` sealed.

    There is no `revoked_at` while the session lives.
    """

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._sessions: Collection = kept(database, LOGIN_SESSIONS)
        self._sealing = sealing

    async def add(self, session: LoginSession) -> None:
        document = _login(await self._sealing.box(session.user_id), session)
        with reachable():
            await self._sessions.insert_one(document)

    async def get(self, session_id: str) -> LoginSession | None:
        with reachable(LOOK):
            found = await self._sessions.find_one({"_id": session_id})
        return None if found is None else _login_session(await self._sealing.box(found["user"]), found)

    async def rotate(self, session_id: str, counter: int, at: datetime) -> bool:
        match = {"_id": session_id, "counter": counter, "revoked_at": None}
        with reachable():
            result = await self._sessions.update_one(match, {"$set": {"counter": counter + 1, "rotated_at": at}})
        return result.modified_count == 1

    async def use(self, session_id: str, counter: int) -> None:
        with reachable():
            await self._sessions.update_one({"_id": session_id}, {"$max": {"used": counter}})

    async def revoke(self, session_id: str, at: datetime) -> bool:
        with reachable():
            result = await self._sessions.update_one(
                {"_id": session_id, "revoked_at": None},
                {"$set": {"revoked_at": at}},
            )
        return result.modified_count == 1

    async def prove(self, session_id: str, at: datetime) -> None:
        with reachable():
            await self._sessions.update_one({"_id": session_id}, {"$set": {"factor_at": at}})

    async def freshen(self, session_id: str, scope: str, until: datetime) -> None:
        with reachable():
            await self._sessions.update_one({"_id": session_id}, {"$set": {"fresh_for": scope, "fresh_until": until}})

    async def revoke_all(self, user_id: str, at: datetime, *, keep: str = "") -> Sequence[str]:
        with reachable():
            found = await self._sessions.find(sessions_of(user_id).filter, {"_id": 1}).to_list()
            ended = [document["_id"] for document in found if document["_id"] != keep]
            if ended:
                await self._sessions.update_many(
                    {"_id": {"$in": ended}, "revoked_at": None},
                    {"$set": {"revoked_at": at}},
                )
        return ended

    async def list(self, user_id: str) -> Sequence[LoginSession]:
        with reachable():
            found = await sessions_of(user_id).find(self._sessions, MAX_LISTED).to_list()
        box = await self._sealing.box(user_id)
        return [_login_session(box, document) for document in found]

    async def revoked(self, since: datetime) -> Sequence[str]:
        query = revoked_since(since)
        with reachable(LOOK):
            found = await self._sessions.find(query.filter, {"_id": 1}, sort=query.sort).to_list()
        return [document["_id"] for document in found]


def _claimed(box: Box, identifier: str, new: NewCredential) -> Document:
    person = msgspec.json.encode(_Person(new.name, new.tz)).decode()
    return {
        "_id": identifier,
        "user": new.user_id,
        "email": _seal(box, CREDENTIALS, identifier, "email", new.email),
        "password": _seal(box, CREDENTIALS, identifier, "password", new.password_hash),
        "language": _seal(box, CREDENTIALS, identifier, "language", new.language),
        "person": _seal(box, CREDENTIALS, identifier, "person", person),
        "opened": False,
        "created_at": new.created_at,
    }


def _moved(box: Box, document: Document, identifier: str, email: str) -> Document:
    """The same credential under another address; what is sealed is sealed anew, to stand there."""
    moved = {**document, "_id": identifier, "email": _seal(box, CREDENTIALS, identifier, "email", email)}
    for field in {"password", "language", "person"} & document.keys():
        moved[field] = _seal(box, CREDENTIALS, identifier, field, _unseal(box, CREDENTIALS, document, field))
    return moved


def _credential(box: Box, document: Mapping[str, Any]) -> Credential:
    """What the session has taken over is not kept here: then name is empty, and the zone the default."""
    person = _Person("", "UTC")
    if "person" in document:
        person = msgspec.json.decode(_unseal(box, CREDENTIALS, document, "person"), type=_Person)
    return Credential(
        user_id=document["user"],
        email=_unseal(box, CREDENTIALS, document, "email"),
        password_hash=_unseal(box, CREDENTIALS, document, "password"),
        name=person.name,
        tz=person.tz,
        language=_unseal(box, CREDENTIALS, document, "language") if "language" in document else "en",
        opened=document["opened"],
        moved_at=document.get("moved_at"),
        created_at=document["created_at"],
        confirmed_at=document.get("confirmed_at"),
    )


def _login(box: Box, session: LoginSession) -> Document:
    return {
        "_id": session.id,
        "user": session.user_id,
        "device": _seal(box, LOGIN_SESSIONS, session.id, "device", session.device),
        "key": box.seal(session.key, collection=LOGIN_SESSIONS, document=session.id, field="key"),
        "counter": session.counter,
        "used": session.used,
        "created_at": session.created_at,
        "rotated_at": session.rotated_at,
        "factor_at": session.factor_at,
        "passkey": session.passkey_id,
    }


def _login_session(box: Box, document: Mapping[str, Any]) -> LoginSession:
    identifier = document["_id"]
    return LoginSession(
        id=identifier,
        user_id=document["user"],
        device=_unseal(box, LOGIN_SESSIONS, document, "device"),
        key=box.unseal(document["key"], collection=LOGIN_SESSIONS, document=identifier, field="key"),
        counter=document["counter"],
        used=document["used"],
        created_at=document["created_at"],
        rotated_at=document["rotated_at"],
        revoked_at=document.get("revoked_at"),
        fresh_for=document.get("fresh_for"),
        fresh_until=document.get("fresh_until"),
        factor_at=document.get("factor_at"),
        passkey_id=document.get("passkey"),
    )


def _seal(box: Box, collection: str, identifier: str, field: str, text: str) -> bytes:
    return box.seal(text.encode(), collection=collection, document=identifier, field=field)


def _unseal(box: Box, collection: str, document: Mapping[str, Any], field: str) -> str:
    return box.unseal(document[field], collection=collection, document=document["_id"], field=field).decode()
