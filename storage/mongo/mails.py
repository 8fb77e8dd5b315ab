"""What is to be mailed, one document each: sealed, claimed by one sender of the fleet at a time, kept until it is sent."""

from datetime import datetime
from typing import Final

import msgspec
from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from actors.ports import Letter, Mail
from storage.mongo.connect import Database, Document, kept, reachable
from storage.mongo.queries import Query
from storage.sealing import Sealing, Unsealable

MAILS: Final = "mails"


def mails_due(now: datetime) -> Query:
    due = {"state": "waiting", "not_before": {"$lte": now}}
    return Query(MAILS, due, "due", [("not_before", ASCENDING)])


class MongoMails:
    """`actors.ports.Mails`: `{_id, owner, state, letter?, attempts, not_before, created_at, until, done_at?, why?}`.

    A claim is a `not_before` in the future: a sender that dies lets go of it by doing nothing. The letter is gone once
    it is sent or given up: it may hold a token.
    """

    def __init__(self, database: Database, sealing: Sealing) -> None:
        self._mails = kept(database, MAILS)
        self._sealing = sealing

    async def add(self, mail: Mail) -> bool:
        box = await self._sealing.box(mail.owner)
        letter = msgspec.msgpack.encode(mail.letter)
        document = {
            "_id": mail.id,
            "owner": mail.owner,
            "state": "waiting",
            "letter": box.seal(letter, collection=MAILS, document=mail.id, field="letter"),
            "attempts": mail.attempts,
            "not_before": mail.created_at,
            "created_at": mail.created_at,
            "until": mail.until,
        }
        with reachable():
            try:
                await self._mails.insert_one(document)
            except DuplicateKeyError:
                return False
        return True

    async def claim(self, now: datetime, until: datetime) -> Mail | None:
        query = mails_due(now)
        claimed = {"$set": {"not_before": until}, "$inc": {"attempts": 1}}
        while True:
            with reachable():
                found = await self._mails.find_one_and_update(
                    query.filter, claimed, sort=query.sort, return_document=ReturnDocument.AFTER
                )
            if found is None:
                return None
            try:
                return await self._mail(found)
            except Unsealable:  # its owner's key is gone, and the owner with it
                await self.bury(found["_id"], "unsealable", now)

    async def postpone(self, mail_id: str, until: datetime, *, counted: bool = True) -> None:
        update: Document = {"$set": {"not_before": until}}
        if not counted:
            update["$inc"] = {"attempts": -1}
        with reachable():
            await self._mails.update_one({"_id": mail_id, "state": "waiting"}, update)

    async def sent(self, mail_id: str, at: datetime) -> None:
        await self._done(mail_id, {"state": "sent", "done_at": at})

    async def bury(self, mail_id: str, why: str, at: datetime) -> None:
        await self._done(mail_id, {"state": "dead", "why": why, "done_at": at})

    async def _done(self, mail_id: str, fields: Document) -> None:
        with reachable():
            await self._mails.update_one({"_id": mail_id}, {"$set": fields, "$unset": {"letter": ""}})

    async def _mail(self, document: Document) -> Mail:
        box = await self._sealing.box(document["owner"])
        letter = box.unseal(document["letter"], collection=MAILS, document=document["_id"], field="letter")
        return Mail(
            id=document["_id"],
            owner=document["owner"],
            letter=msgspec.msgpack.decode(letter, type=Letter),
            created_at=document["created_at"],
            until=document["until"],
            attempts=document["attempts"],
        )
