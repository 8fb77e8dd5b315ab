"""Which addresses owe something or have something due: what the clock wakes."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from storage.mongo import queries
from storage.mongo.connect import Database, kept, reachable


class MongoHeads:
    """`actors.ports.HeadRows`."""

    def __init__(self, database: Database) -> None:
        self._heads = kept(database, "heads")

    async def owing(self, before: datetime, limit: int) -> Sequence[str]:
        """Addresses that owe something since before that time, or have something due by it; the oldest first."""
        with reachable():
            owed, due = await asyncio.gather(
                queries.heads_owing(before).find(self._heads, limit).to_list(),
                queries.heads_due(before).find(self._heads, limit).to_list(),
            )
        since = [(row["owed_at"], row["_id"]) for row in owed] + [(row["due_at"], row["_id"]) for row in due]
        return list(dict.fromkeys(address for _, address in sorted(since)))[:limit]
