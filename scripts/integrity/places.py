"""What belongs to no log: rows, heads and snapshots of addresses that have none, and placements of dead nodes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from scripts.integrity.findings import Counts, Finding
from storage.mongo import queries
from storage.mongo.connect import Database, kept
from storage.mongo.log import LOG, SNAPSHOTS
from storage.mongo.projections import HEADS, ROWS
from storage.mongo.queries import INDEXES
from storage.redis.batch import Batch, batched
from storage.redis.membership import node_key
from storage.redis.placement import place_key
from storage.redis.shards import Shards

TOGETHER: Final = 500
SETTLED: Final = 2.0
"""Seconds after which a placement is looked at again: a node that leaves has released what it held by then."""


async def orphans(database: Database) -> AsyncIterator[Finding]:
    """One for each address without a log and each collection that has something of it."""
    for collection in (HEADS, SNAPSHOTS, *ROWS):
        code = {HEADS: "head.orphan", SNAPSHOTS: "snapshot.orphan"}.get(collection, "row.orphan")
        field = "a" if collection in ROWS else "_id"
        async for some in _addresses(database, collection, field):
            for address in await without_log(database, some):
                yield Finding(code, address, 0, collection)


async def without_log(database: Database, addresses: Sequence[str]) -> list[str]:
    """Those of the addresses that have not one document."""
    documents, found = kept(database, LOG), []
    likely = {_first(address): address for address in addresses if _is_address(address)}
    async for stored in documents.find({"_id": {"$in": list(likely)}}, {"_id": 1}):
        del likely[stored["_id"]]
    for address in likely.values():  # whose log is damaged at its very beginning has one all the same
        some = await documents.find_one(queries.documents_after(address, -1).filter, {"_id": 1})
        found += [address] if some is None else []
    return found + [address for address in addresses if not _is_address(address)]


async def dead_places(shards: Shards, addresses: Sequence[str], counts: Counts) -> AsyncIterator[Finding]:
    """Of these addresses, or of all: those placed on a node that does not live, now and a little later.

    Raises Unavailable when Redis goes away.
    """
    async with batched(shards, told_by_the_pass) as batch:
        async for some in _given(addresses) if addresses else _placed(shards):
            counts.placements = (counts.placements or 0) + len(some)
            dead = await _dead(batch, some)
            if dead:
                await asyncio.sleep(SETTLED)
                for address in await _dead(batch, dead):
                    yield Finding("place.dead", address)


def told_by_the_pass(event: str, fields: dict[str, Any]) -> None:
    """What goes wrong with Redis ends the pass, which says so."""


async def _dead(batch: Batch, addresses: Sequence[str]) -> list[str]:
    nodes: list[bytes | None] = await asyncio.gather(*(_get(batch, place_key(address)) for address in addresses))
    named: set[bytes] = {node for node in nodes if node is not None}
    living = {node for node in named if await _get(batch, node_key(node.decode(errors="replace")))}
    return [address for address, node in zip(addresses, nodes, strict=True) if node in named - living]


async def _get(batch: Batch, key: str) -> bytes | None:
    found: bytes | None = await batch.call(key, lambda redis: redis.get(key))
    return found


async def _given(addresses: Sequence[str]) -> AsyncIterator[Sequence[str]]:
    yield addresses


async def _placed(shards: Shards) -> AsyncIterator[Sequence[str]]:
    prefix, some = place_key(""), list[str]()
    for shard in shards.all:
        async for key in shard.scan_iter(match=f"{prefix}*", count=TOGETHER):
            some.append(key.decode(errors="replace").removeprefix(prefix))
            if len(some) == TOGETHER:
                yield some
                some = []
    if some:
        yield some


async def _addresses(database: Database, collection: str, field: str) -> AsyncIterator[list[str]]:
    """What stands in that field: each once where an index lets us jump, else as often as there are rows."""
    rows, some = kept(database, collection), list[str]()
    jumps = any(fields[0][0] == field for fields in INDEXES[collection].values())
    by = field if jumps else "_id"
    match: dict[str, Any] = {}
    limit = 1 if jumps else TOGETHER
    while page := await rows.find(match, {field: 1}, sort=[(by, 1)], limit=limit).to_list():
        some += [str(row.get(field, "")) for row in page]
        newest = page[-1].get(by)
        match = {by: {"$gt": newest if isinstance(newest, str) else ""}}
        if len(some) >= TOGETHER:
            yield some
            some = []
    if some:
        yield some


def _is_address(address: str) -> bool:
    return bool(address) and "/" not in address


def _first(address: str) -> str:
    found: str = queries.document_at(address, 1).filter["_id"]
    return found
