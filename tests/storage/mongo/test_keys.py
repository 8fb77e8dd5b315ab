"""Wrapped keys in a real MongoDB."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.runtime.envelope import Unavailable
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.connect import Database, connected
from storage.mongo.keys import MongoKeys
from storage.sealing import Sealing
from tests.storage.mongo.cutting import cut_off

KEY = bytes(range(32))
PLACE = {"collection": "goals", "document": "g1", "field": "title"}


@pytest_asyncio.fixture
async def store(mongo: ReplicaSet, database: str) -> AsyncIterator[Database]:
    async with connected(mongo.url, database=database) as opened:
        yield opened


async def test_two_nodes_at_once_end_with_one_key(store: Database) -> None:
    nodes = [Sealing(MongoKeys(store), {1: KEY}) for _ in range(10)]
    boxes = await asyncio.gather(*(node.box("ann") for node in nodes))
    sealed = boxes[0].seal(b"the same key everywhere", **PLACE)
    assert {box.unseal(sealed, **PLACE) for box in boxes} == {b"the same key everywhere"}
    assert await store["keys"].count_documents({}) == 1


async def test_wrapping_anew_goes_through_all_of_them(store: Database) -> None:
    old = Sealing(MongoKeys(store), {1: KEY})
    sealed = [(await old.box(f"user-{number}")).seal(b"x", **PLACE) for number in range(7)]
    both = Sealing(MongoKeys(store), {1: KEY, 2: bytes(32)})
    assert [await both.rewrap(3) for _ in range(4)] == [3, 3, 1, 0]
    only = Sealing(MongoKeys(store), {2: bytes(32)})
    for number, text in enumerate(sealed):
        assert (await only.box(f"user-{number}")).unseal(text, **PLACE) == b"x"


async def test_no_key_is_kept_in_the_clear(store: Database) -> None:
    await Sealing(MongoKeys(store), {1: KEY}).box("ann")
    (document,) = await store["keys"].find().to_list()
    assert set(document) == {"_id", "kek", "wrapped"}
    assert len(document["wrapped"]) == 3 + 12 + 32 + 16


async def test_out_of_reach_is_a_refusal_and_the_next_use_makes_the_key(mongo: ReplicaSet, store: Database) -> None:
    sealing = Sealing(MongoKeys(store), {1: KEY})
    async with cut_off(mongo, "insert"):
        with pytest.raises(Unavailable):
            await sealing.box("ann")
    sealed = (await sealing.box("ann")).seal(b"x", **PLACE)
    assert (await Sealing(MongoKeys(store), {1: KEY}).box("ann")).unseal(sealed, **PLACE) == b"x"
