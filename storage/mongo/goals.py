"""Goals as people list them, read from their rows."""

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from actors.domain.addresses import owner, session_address
from actors.domain.goals import Goal, Status
from actors.ports import Page
from storage.mongo import queries
from storage.mongo.connect import Database, kept, reachable
from storage.mongo.cursors import Cursors, Digest
from storage.mongo.gathered import Gathered
from storage.mongo.projections import unplace
from storage.sealing import Box, Sealing, unseal_struct

GOALS = "goals"


class MongoGoals:
    """`actors.ports.GoalRows`. Whoever is not the owner sees nothing; reads raise Unavailable, Unsealable.

    Entered on the node's stack: single goals that many ask for at once are read together.
    """

    def __init__(self, database: Database, sealing: Sealing, digest: Digest) -> None:
        self._goals = kept(database, GOALS)
        self._rows = Gathered(self._goals)
        self._sealing = sealing
        self._cursors = Cursors(GOALS, digest)

    async def __aenter__(self) -> Self:
        await self._rows.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._rows.__aexit__(kind, error, trace)

    async def list(self, user_id: str, *, limit: int, cursor: str | None, status: Status | None) -> Page:
        """The user's goals, newest first. Raises Invalid for a cursor that was never given out for this list."""
        scope = (user_id, status)
        after = None if cursor is None else self._cursors.take(scope, cursor, tuple[datetime, str])
        address = session_address(user_id)
        with reachable():
            found = await queries.goals_of(address, status, after).find(self._goals, limit + 1).to_list()
        box = await self._sealing.box(owner(address))
        goals = [_goal(box, row) for row in found[:limit]]
        more = len(found) > limit
        return Page(goals, self._cursors.give(scope, (goals[-1].created_at, goals[-1].id)) if more else None)

    async def get(self, user_id: str, goal_id: str) -> Goal | None:
        address, found = session_address(user_id), await self._rows.get(goal_id)
        if found is None or found["a"] != address or "gone" in found:
            return None
        return _goal(await self._sealing.box(owner(address)), found)


def _goal(box: Box, row: Mapping[str, Any]) -> Goal:
    return unseal_struct(box, GOALS, row["_id"], unplace(dict(row)), Goal)
