"""The remembered cids: like a plain dict for the last ones, and never wrong about older ones."""

import uuid
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.journal import cids as module
from actors.journal.cids import WINDOW, Cids

AUTHORS = ("ann", "coach")
NARROW = 8
"""A window so small that random lists leave it; the real one only takes longer to fill."""


def version_7(made: int, number: int) -> str:
    return str(uuid.UUID(int=made << 80 | 7 << 76 | 2 << 62 | number))


any_cid = st.one_of(
    st.builds(version_7, st.integers(0, 5), st.integers(0, 3)),
    st.builds(version_7, st.integers(0, 1 << 47), st.integers(0, 1000)),
    st.uuids(version=4).map(str),
    st.text(min_size=1, max_size=5),
    st.builds("-2345678-9abc-7def-8000-{:012x}".format, st.integers(0, 9)),  # looks like a v7 before its time
)
entry = st.tuples(st.sampled_from(AUTHORS), any_cid)


def filled(entries: list[tuple[str, str]], window: int = NARROW) -> tuple[Cids, dict[tuple[str, str], int]]:
    """The cids, and every entry there ever was with its position, oldest first."""
    cids, plain = Cids(), {}
    with patch.object(module, "WINDOW", window):
        for s, (by, cid) in enumerate(entries, 1):
            if (by, cid) not in plain:
                cids.add(by, cid, s)
                plain[by, cid] = s
    return cids, plain


@given(st.lists(entry, max_size=3 * NARROW), entry)
def test_like_a_dict_of_the_last_ones(entries: list[tuple[str, str]], stranger: tuple[str, str]) -> None:
    cids, plain = filled(entries)
    window = dict(list(plain.items())[-NARROW:])
    for key in plain.keys() | {stranger}:
        assert cids.find(*key) == window.get(key)


@given(st.lists(entry, min_size=NARROW + 1, max_size=4 * NARROW, unique=True))
def test_a_forgotten_cid_is_never_taken_for_a_new_one(entries: list[tuple[str, str]]) -> None:
    cids, plain = filled(entries)
    forgotten = list(plain)[:-NARROW]
    assert forgotten
    assert all(cids.may_be_older(cid) for _, cid in forgotten)


def test_a_young_cid_needs_no_look_up() -> None:
    cids, _ = filled([("ann", version_7(10, i)) for i in range(WINDOW + 5)], WINDOW)
    assert not cids.may_be_older(version_7(11, 0))
    assert cids.may_be_older(version_7(10, 99_999))
    assert cids.may_be_older(str(uuid.uuid4()))


def test_while_nothing_is_forgotten_nothing_is_looked_up() -> None:
    cids, _ = filled([("ann", str(uuid.uuid4())) for _ in range(WINDOW)], WINDOW)
    assert not cids.may_be_older(str(uuid.uuid4()))


@given(st.lists(entry, max_size=3 * NARROW))
def test_a_snapshot_brings_all_of_it_back(entries: list[tuple[str, str]]) -> None:
    cids, plain = filled(entries)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(cids), type=Cids)
    for by, cid in plain:
        assert again.find(by, cid) == cids.find(by, cid)
        assert again.may_be_older(cid) == cids.may_be_older(cid)
    again.add("ann", "one more", 10_000)
    assert again.find("ann", "one more") == 10_000


def test_memory_stays_bounded() -> None:
    cids, _ = filled([("ann", str(uuid.uuid4())) for _ in range(3 * WINDOW)], WINDOW)
    assert len(cids.records) == 32 * WINDOW


def test_a_cid_that_only_looks_like_a_v7_is_not_lost_either() -> None:
    """Its hexadecimal time is negative: before any other, and before the mark for nothing forgotten."""
    strange = "-2345678-9abc-7def-8000-000000000000"
    cids, _ = filled([("ann", strange), *(("ann", version_7(5, i)) for i in range(NARROW))])
    assert cids.find("ann", strange) is None
    assert cids.may_be_older(strange)
