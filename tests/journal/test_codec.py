"""Documents as bytes: what was written for years is read as if written today, and nothing is guessed."""

from datetime import UTC, date, datetime
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.codec import Codec, TooNew, Upcasts
from actors.runtime.envelope import Unavailable


class Walked(msgspec.Struct, frozen=True):
    """Version 1 had `miles: str`, version 2 `miles: float`, version 3 is in metres."""

    type: ClassVar[str] = "walked"
    version: ClassVar[int] = 3
    metres: float
    day: date
    at: datetime


class Slept(msgspec.Struct, frozen=True):
    type: ClassVar[str] = "slept"
    version: ClassVar[int] = 1
    hours: int


UPCASTS: Upcasts = {
    ("walked", 1): lambda fields: {**fields, "miles": float(fields["miles"])},
    ("walked", 2): lambda fields: {"metres": fields["miles"] * 1600, "day": fields["day"], "at": fields["at"]},
}
CODEC = Codec({"walked": Walked, "slept": Slept}, UPCASTS)
DAY, AT = date(2026, 5, 4), datetime(2026, 5, 4, 12, tzinfo=UTC)


def written(*triples: tuple[str, int, dict[str, Any]]) -> bytes:
    return msgspec.msgpack.encode((triples, {"ok": True}))


@given(
    st.lists(
        st.one_of(st.builds(Slept, st.integers(0, 24)), st.builds(Walked, st.floats(0, 1e6), st.dates(), st.just(AT)))
    )
)
def test_what_is_packed_comes_back(events: list[Any]) -> None:
    body = CODEC.pack(events, {"count": len(events)})
    assert CODEC.events(body) == events
    assert CODEC.answer(body) == {"count": len(events)}


@given(st.integers(0, 1000))
def test_every_older_version_is_cast_up(miles: int) -> None:
    body = written(
        ("walked", 1, {"miles": str(miles), "day": "2026-05-04", "at": AT}),
        ("walked", 2, {"miles": float(miles), "day": "2026-05-04", "at": AT}),
        ("walked", 3, {"metres": miles * 1600.0, "day": "2026-05-04", "at": AT}),
    )
    assert CODEC.events(body) == [Walked(miles * 1600.0, DAY, AT)] * 3


@given(st.integers(4, 1000))
def test_a_newer_version_is_refused_not_guessed(version: int) -> None:
    with pytest.raises(TooNew) as refused:
        CODEC.events(written(("walked", version, {"metres": 1.0, "day": "2026-05-04", "at": AT})))
    assert refused.value.event == f"walked v{version}"
    assert isinstance(refused.value, Unavailable)


def test_an_unknown_event_is_refused_and_its_answer_can_be_read_all_the_same() -> None:
    body = written(("flown", 1, {}))
    with pytest.raises(TooNew):
        CODEC.events(body)
    assert CODEC.answer(body) == {"ok": True}


def test_a_field_added_within_a_version_is_ignored_by_an_older_program() -> None:
    assert CODEC.events(written(("slept", 1, {"hours": 8, "deep": 2}))) == [Slept(8)]


def test_an_answer_is_a_struct_when_packed_and_builtins_when_read() -> None:
    body = CODEC.pack([Slept(8)], Slept(8))
    assert CODEC.answer(body) == {"hours": 8}
