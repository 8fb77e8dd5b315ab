"""Ids: their time is exact, and what is derived is derived the same for ever."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.ids import derived, milliseconds, uuid7

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_the_time_in_an_id_is_the_time_it_was_made_with(made: int) -> None:
    identifier = uuid7(EPOCH + timedelta(milliseconds=made))
    assert milliseconds(identifier) == made
    assert uuid.UUID(identifier).variant == uuid.RFC_4122


@given(st.integers(min_value=0, max_value=4_000_000_000_000), st.integers(min_value=1, max_value=10_000))
def test_later_ids_sort_after_earlier_ones(made: int, later: int) -> None:
    first = EPOCH + timedelta(milliseconds=made)
    assert uuid7(first) < uuid7(first + timedelta(milliseconds=later))


def test_two_ids_of_one_instant_differ() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({uuid7(at) for _ in range(1000)}) == 1000


@given(st.one_of(st.uuids(version=4).map(str), st.text(max_size=40)))
def test_other_identifiers_have_no_time(identifier: str) -> None:
    assert milliseconds(identifier) is None


def test_derived_ids_never_change_because_logs_hold_them() -> None:
    assert derived("m1", "reply") == "7650e230-b2cc-5d7e-b7d2-39581bc94a1a"
    assert derived("m1", "finish") != derived("m1", "reply") != derived("m2", "reply")
