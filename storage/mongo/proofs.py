"""Tokens that prove something once: by their digest, with what they stand for sealed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from pymongo.errors import DuplicateKeyError

from actors.ports import Proof
from storage.mongo.connect import Database, Document, kept, reachable
from storage.mongo.queries import Query
from storage.sealing import Sealing, Secrets, Unsealable

PROOFS: Final = "proofs"


class _Sealed(msgspec.Struct, array_like=True):
    subject: str
    fields: dict[str, str]


def proof_of(digest: str, now: datetime) -> Query:
    return Query(PROOFS, {"digest": digest, "until": {"$gt": now}}, "digest")


class MongoProofs:
    """`actors.ports.Proofs`: `{_id: kind/blind index of the subject, digest, owner, until, sealed}`.

    The id is the kind and the subject: a newer one takes the older one's place in a single write.
    """

    def __init__(self, database: Database, sealing: Sealing, secrets: Secrets) -> None:
        self._proofs = kept(database, PROOFS)
        self._sealing = sealing
        self._secrets = secrets

    async def keep(self, digest: str, proof: Proof) -> None:
        document = await self._document(digest, proof)
        match = {"_id": document["_id"]}
        with reachable():
            try:
                await self._proofs.replace_one(match, document, upsert=True)
            except DuplicateKeyError:  # another was first: now there is one to replace
                await self._proofs.replace_one(match, document)

    async def keep_only(self, digest: str, proof: Proof, now: datetime) -> bool:
        document = await self._document(digest, proof)
        with reachable():
            try:
                await self._proofs.replace_one({"_id": document["_id"], "until": {"$lte": now}}, document, upsert=True)
            except DuplicateKeyError:  # there is one, and it is good
                return False
        return True

    async def find(self, digest: str, now: datetime) -> Proof | None:
        with reachable():
            found = await self._proofs.find_one(proof_of(digest, now).filter)
        return None if found is None else await self._proof(found)

    async def waiting(self, kind: str, subject: str, now: datetime) -> Proof | None:
        match = {"_id": self._identifier(kind, subject), "until": {"$gt": now}}
        with reachable():
            found = await self._proofs.find_one(match)
        return None if found is None else await self._proof(found)

    async def take(self, digest: str, now: datetime) -> Proof | None:
        with reachable():
            found = await self._proofs.find_one_and_delete(proof_of(digest, now).filter)
        return None if found is None else await self._proof(found)

    async def _document(self, digest: str, proof: Proof) -> Document:
        box = await self._sealing.box(proof.owner)
        identifier = self._identifier(proof.kind, proof.subject)
        plain = msgspec.msgpack.encode(_Sealed(proof.subject, dict(proof.fields)))
        sealed = box.seal(plain, collection=PROOFS, document=identifier, field="sealed")
        return {"_id": identifier, "digest": digest, "owner": proof.owner, "until": proof.until, "sealed": sealed}

    def _identifier(self, kind: str, subject: str) -> str:
        return f"{kind}/{self._secrets.blind_index(subject).hex()}"

    async def _proof(self, document: Mapping[str, Any]) -> Proof | None:
        box = await self._sealing.box(document["owner"])
        try:
            plain = box.unseal(document["sealed"], collection=PROOFS, document=document["_id"], field="sealed")
        except Unsealable:  # its owner's key is gone
            return None
        sealed = msgspec.msgpack.decode(plain, type=_Sealed)
        kind = document["_id"].partition("/")[0]
        return Proof(kind, sealed.subject, document["owner"], document["until"], sealed.fields)
