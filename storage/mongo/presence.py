"""When people were last seen, and to whom they show it."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import msgspec
from pymongo import UpdateOne

from actors.domain.presence import audience
from actors.domain.profile import Privacy
from actors.ports import Seen
from storage.mongo import queries
from storage.mongo.connect import Database, kept, reachable

LAST_SEEN: Final = "last_seen"
USERS: Final = "users"
PRIVACY: Final = {"preferences.privacy": 1}


class MongoPresence:
    """`actors.ports.PresenceRows`: `{_id: user, at}`, and the privacy in the rows of `users`."""

    def __init__(self, database: Database) -> None:
        self._seen = kept(database, LAST_SEEN)
        self._users = kept(database, USERS)

    async def keep(self, seen: Mapping[str, datetime]) -> None:
        writes = [UpdateOne({"_id": user}, {"$max": {"at": at}}, upsert=True) for user, at in seen.items()]
        if writes:
            with reachable():
                await self._seen.bulk_write(writes, ordered=False)

    async def get(self, user_ids: Collection[str]) -> Mapping[str, Seen]:
        if not user_ids:
            return {}
        count = len(user_ids)
        users, rows = queries.rows_of(USERS, *user_ids), queries.by_id(LAST_SEEN, *user_ids)
        with reachable():
            found, seen = await asyncio.gather(
                self._users.find(users.filter, PRIVACY, limit=count, batch_size=count).to_list(),
                rows.find(self._seen, count).to_list(),
            )
        at = {row["_id"]: row["at"] for row in seen}
        return {
            row["_id"]: Seen(audience(msgspec.convert(row["preferences"]["privacy"], Privacy)), at.get(row["_id"]))
            for row in found
        }
