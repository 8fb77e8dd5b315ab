"""The `_id`s of the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.mongo.positions import LAST, parse, position

addresses = st.text(min_size=1, max_size=60).filter(lambda text: "/" not in text)
positions = st.integers(0, LAST)


def test_the_format_is_fixed_for_ever() -> None:
    assert position("session:ann", 7) == "9601ed78/session:ann/0000000007"


@given(address=addresses, s=positions)
def test_parse_reads_what_position_built(address: str, s: int) -> None:
    assert parse(position(address, s)) == (address, s)


@given(address=addresses, first=positions, second=positions)
def test_within_an_address_ids_sort_as_positions_do(address: str, first: int, second: int) -> None:
    assert (position(address, first) < position(address, second)) == (first < second)


@pytest.mark.parametrize(("address", "s"), [("", 1), ("a/b", 1), ("a", -1), ("a", LAST + 1)])
def test_what_could_be_mistaken_for_another_is_refused(address: str, s: int) -> None:
    with pytest.raises(ValueError, match="address"):
        position(address, s)


@pytest.mark.parametrize("text", ["", "a/b", "00000000/session:ann/0000000007", "9601ed78/session:ann/7", "x/y/z"])
def test_any_other_text_is_not_parsed(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part of it is wrong
        parse(text)
