"""Sealed fields: what goes in comes out, in its own place only."""

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.conversation import Message
from actors.domain.goals import Goal, Metric
from actors.domain.profile import Profile
from actors.runtime.envelope import Unavailable
from storage.sealing import Box, Sealing, Secrets, Unsealable, WrappedKey, normal, seal_struct, unseal_struct

KEY = bytes(range(32))
PLACE = {"collection": "goals", "document": "g1", "field": "title"}
AT = datetime(2026, 3, 8, 2, 30, tzinfo=UTC)


class Kept:
    """Wrapped keys in memory: the far end of the port."""

    def __init__(self) -> None:
        self.keys: dict[str, WrappedKey] = {}

    async def get(self, owner: str) -> WrappedKey | None:
        return self.keys.get(owner)

    async def add(self, key: WrappedKey) -> bool:
        return self.keys.setdefault(key.owner, key) is key

    async def replace(self, old: WrappedKey, new: WrappedKey) -> bool:
        if self.keys.get(old.owner) != old:
            return False
        self.keys[old.owner] = new
        return True

    async def wrapped_otherwise(self, kek: int, limit: int) -> Sequence[WrappedKey]:
        return [key for key in self.keys.values() if key.kek != kek][:limit]


@given(plaintext=st.binary(max_size=2_000), owner=st.text(), collection=st.text(), document=st.text(), field=st.text())
def test_what_is_sealed_comes_out_again(
    plaintext: bytes,
    owner: str,
    collection: str,
    document: str,
    field: str,
) -> None:
    place = {"collection": collection, "document": document, "field": field}
    sealed = Box(owner, KEY).seal(plaintext, **place)
    assert Box(owner, KEY).unseal(sealed, **place) == plaintext
    assert len(sealed) == 3 + 12 + len(plaintext) + 16


@pytest.mark.parametrize("part", ["collection", "document", "field"])
def test_another_place_is_refused(part: str) -> None:
    sealed = Box("ann", KEY).seal(b"run a marathon", **PLACE)
    with pytest.raises(Unsealable):
        Box("ann", KEY).unseal(sealed, **{**PLACE, part: "elsewhere"})


def test_another_owner_another_key_and_another_version_are_refused() -> None:
    sealed = Box("ann", KEY).seal(b"run a marathon", **PLACE)
    for box in (Box("bo", KEY), Box("ann", bytes(32)), Box("ann", KEY, version=2)):
        with pytest.raises(Unsealable):
            box.unseal(sealed, **PLACE)


@given(st.lists(st.text(max_size=4), min_size=3, max_size=3), st.lists(st.text(max_size=4), min_size=3, max_size=3))
def test_no_two_places_are_one(one: list[str], other: list[str]) -> None:
    names = ("collection", "document", "field")
    sealed = Box("ann", KEY).seal(b"x", **dict(zip(names, one, strict=True)))
    if one != other:
        with pytest.raises(Unsealable):
            Box("ann", KEY).unseal(sealed, **dict(zip(names, other, strict=True)))


@given(st.data())
def test_no_byte_can_be_altered_or_left_out(data: st.DataObject) -> None:
    sealed = bytearray(Box("ann", KEY).seal(b"run a marathon", **PLACE))
    position = data.draw(st.integers(0, len(sealed) - 1))
    altered = bytearray(sealed)
    altered[position] ^= data.draw(st.integers(1, 255))
    for wrong in (bytes(altered), bytes(sealed[:position])):
        with pytest.raises(Unsealable):
            Box("ann", KEY).unseal(wrong, **PLACE)


def test_the_same_text_never_looks_the_same() -> None:
    box = Box("ann", KEY)
    assert len({box.seal(b"yes", **PLACE) for _ in range(100)}) == 100


message = Message(id="m1", seq=4, thread="coach", role="user", author_id="ann", text="CANARY", created_at=AT)
goal = Goal(
    id="g1",
    title="CANARY",
    due=date(2026, 5, 1),
    metric=Metric(unit="CANARY", target=42.0),
    created_at=AT,
    updated_at=AT,
)
profile = Profile(
    user_id="ann",
    email="CANARY@x.org",
    name="CANARY",
    created_at=AT,
    updated_at=AT,
    life_areas={"health": 70.0},
)


@pytest.mark.parametrize("row", [message, goal, profile], ids=lambda row: type(row).__name__)
def test_a_row_shows_nothing_private_and_comes_back_whole(row: Message | Goal | Profile) -> None:
    box = Box("ann", KEY)
    document = seal_struct(box, "rows", "r1", row)
    assert "CANARY" not in repr(document)
    stored = {**document, "_id": "r1", "a": "session:ann"}
    assert unseal_struct(box, "rows", "r1", stored, type(row)) == row


def test_a_row_keeps_what_the_database_sorts_and_filters_by() -> None:
    document = seal_struct(Box("ann", KEY), "goals", "g1", goal)
    assert document["created_at"] == AT
    assert document["due"] == "2026-05-01"
    assert document["status"] == "open"
    assert document["metric"]["target"] == 42.0


def _moved(document: dict[str, Any]) -> dict[str, Any]:
    metric = {**document["metric"], "unit": document["title"]}
    return {**document, "metric": metric}


def _in_the_clear(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "title": "written by someone with the database only"}


@pytest.mark.parametrize("alter", [_moved, _in_the_clear])
def test_a_row_somebody_altered_is_refused(alter: Any) -> None:
    box = Box("ann", KEY)
    document = alter(seal_struct(box, "goals", "g1", goal))
    with pytest.raises(Unsealable):
        unseal_struct(box, "goals", "g1", document, Goal)


async def test_an_owner_has_one_key_for_ever() -> None:
    kept = Kept()
    sealed = (await Sealing(kept, {1: KEY}).box("ann")).seal(b"x", **PLACE)
    elsewhere = Sealing(kept, {1: KEY})
    assert (await elsewhere.box("ann")).unseal(sealed, **PLACE) == b"x"
    with pytest.raises(Unsealable):
        (await elsewhere.box("bo")).unseal(sealed, **PLACE)


async def test_boxes_are_bounded_and_the_least_recently_used_goes_first() -> None:
    sealing = Sealing(Kept(), {1: KEY}, capacity=2)
    ann = await sealing.box("ann")
    bo = await sealing.box("bo")
    assert await sealing.box("ann") is ann
    await sealing.box("cy")
    assert await sealing.box("ann") is ann
    assert await sealing.box("bo") is not bo


async def test_keys_are_wrapped_anew_bit_by_bit_and_nothing_sealed_is_lost() -> None:
    kept, newer = Kept(), os.urandom(32)
    old = Sealing(kept, {1: KEY})
    sealed = {owner: (await old.box(owner)).seal(owner.encode(), **PLACE) for owner in "abcde"}
    both = Sealing(kept, {1: KEY, 2: newer})
    assert await both.rewrap(2) == 2  # cut short here, and taken up again by another
    after = Sealing(kept, {1: KEY, 2: newer})
    assert [await after.rewrap(2), await after.rewrap(2), await after.rewrap(2)] == [2, 1, 0]
    only = Sealing(kept, {2: newer})
    for owner, text in sealed.items():
        assert (await only.box(owner)).unseal(text, **PLACE) == owner.encode()


async def test_a_key_wrapped_under_an_unknown_one_or_taken_from_another_owner_is_refused() -> None:
    kept = Kept()
    await Sealing(kept, {1: KEY}).box("ann")
    with pytest.raises(Unsealable):
        await Sealing(kept, {2: bytes(32)}).box("ann")
    kept.keys["bo"] = WrappedKey("bo", 1, kept.keys["ann"].wrapped)
    with pytest.raises(Unsealable):
        await Sealing(kept, {1: KEY}).box("bo")


class NeverShown(Kept):
    async def get(self, owner: str) -> WrappedKey | None:
        return None


async def test_a_key_that_exists_and_is_never_shown_ends_in_a_refusal() -> None:
    kept = NeverShown()
    kept.keys["ann"] = WrappedKey("ann", 1, b"another node's")
    with pytest.raises(Unavailable):
        await Sealing(kept, {1: KEY}).box("ann")


@pytest.mark.parametrize("keks", [{}, {1: b"short"}, {0: KEY}, {70_000: KEY}])
def test_wrong_key_encryption_keys_are_refused(keks: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealing(Kept(), keks)


def test_a_mail_address_is_found_however_it_is_written() -> None:
    secrets = Secrets(KEY)
    assert secrets.blind_index("  Zoë@Example.ORG ") == secrets.blind_index("zoe\u0308@example.org")
    assert secrets.blind_index("zoe@example.org") != secrets.blind_index("zoë@example.org")
    assert secrets.blind_index("a@b.c") != Secrets(bytes(32)).blind_index("a@b.c")


@given(st.text())
def test_the_normal_form_of_an_address_is_its_own(email: str) -> None:
    assert normal(normal(email)) == normal(email)


def test_digests_and_derived_keys_are_stable_and_unrelated() -> None:
    secrets = Secrets(KEY)
    assert secrets.digest(b"x") == Secrets(KEY).digest(b"x")
    assert secrets.digest(b"x") != secrets.blind_index("x")
