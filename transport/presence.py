"""Who is there, as the asker may know: one question to each node that has their sessions, and one to the store."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from actors.commands import Id
from actors.domain.addresses import session_address
from actors.domain.presence import MOST, Presence, asleep, may_see, presence
from actors.domain.rate_limit import Limit
from actors.journal.outside import Timers
from actors.ports import PresenceRows, Take
from actors.questions import PresencesShown, ShowPresences
from actors.runtime.envelope import Refused, Unavailable
from actors.runtime.tracing import Trace
from transport.asking import Session
from transport.limits import Gate, let_through

PATIENCE: Final = 2.0
"""Seconds a node has to answer: what it knows is no longer true much later."""


class PeopleAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user_ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=MOST)]


class People(msgspec.Struct, frozen=True):
    """In the order asked. Whoever is not in it does not exist, or does not show it to the asker."""

    items: Sequence[Presence]


class PresenceChosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`away`: the user is not looking at this device; until it says otherwise, or connects again."""

    state: Literal["online", "away"]


class Nodes(Protocol):
    """The directory, as far as nodes are asked."""

    def whereabouts(self, user_id: str) -> str | None: ...

    def at(self, node: str) -> Session: ...


class Places(Protocol):
    """Where sessions were placed last."""

    async def holders(self, addresses: Sequence[str]) -> Sequence[str | None]:
        """Raises Unavailable."""


class WhoIsThere(Protocol):
    async def of(self, asker: str, user_ids: Sequence[str], trace: Trace | None = None) -> People:
        """Raises Unavailable when what is not in memory can't be read, and RateLimited."""


class Presences:
    """Given once by the composition root. `lease`: how long a device counts as there without being renewed."""

    def __init__(self, nodes: Nodes, places: Places, rows: PresenceRows, timers: Timers, lease: float) -> None:
        self._nodes, self._places, self._rows, self._timers = nodes, places, rows, timers
        self._lease = timedelta(seconds=lease)

    async def of(self, asker: str, user_ids: Sequence[str], trace: Trace | None = None) -> People:
        """Raises Unavailable when what is not in memory can't be read."""
        wanted = list(dict.fromkeys(user_ids))
        homes = await self._homes(wanted)
        answers = await asyncio.gather(
            *(self._ask(node, ShowPresences(asker, users), trace) for node, users in homes.items())
        )
        known = {one.user_id: one for answer in answers for one in answer.shown}
        hidden = {user_id for answer in answers for user_id in answer.hidden}
        missing = [one for one in wanted if one not in known and one not in hidden]
        if missing:
            known |= await self._stored(asker, missing)
        return People([known[user_id] for user_id in wanted if user_id in known])

    async def _homes(self, user_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """By node. While nobody can say, where this node last heard of them."""
        try:
            nodes = await self._places.holders([session_address(user_id) for user_id in user_ids])
        except Unavailable:
            nodes = [self._nodes.whereabouts(user_id) for user_id in user_ids]
        homes: dict[str, list[str]] = {}
        for user_id, node in zip(user_ids, nodes, strict=True):
            if node:
                homes.setdefault(node, []).append(user_id)
        return homes

    async def _ask(self, node: str, question: ShowPresences, trace: Trace | None) -> PresencesShown:
        """A node that is gone or can't be reached knows of nobody."""
        try:
            shown: Any = await self._nodes.at(node).ask(question, timeout=PATIENCE, trace=trace)
        except Refused:
            return PresencesShown((), ())
        answer: PresencesShown = shown
        return answer

    async def _stored(self, asker: str, user_ids: Sequence[str]) -> dict[str, Presence]:
        """Those whose sessions are not awake, or had no device since they are."""
        now, seen = self._timers.now(), await self._rows.get(user_ids)
        return {
            user_id: presence(user_id, asleep(one.audience, one.seen_at, now, self._lease))
            for user_id, one in seen.items()
            if may_see(asker, user_id, one.audience)
        }


class Rationed:
    """So many questions of each person, by whichever door and node."""

    def __init__(self, presences: Presences, gate: Gate, limit: Limit) -> None:
        self._presences, self._gate, self._limit = presences, gate, limit

    async def of(self, asker: str, user_ids: Sequence[str], trace: Trace | None = None) -> People:
        """Raises RateLimited; and Unavailable, as `Presences` does."""
        let_through(await self._gate.take_all([Take(self._limit, asker)]))
        return await self._presences.of(asker, user_ids, trace)
