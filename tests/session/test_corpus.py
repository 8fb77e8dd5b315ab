"""Events live for years: a sample of every version of every event is replayed, and every old one is cast up."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.domain.conversation import Message
from actors.events import TYPES, UPCASTS, Event, recorded
from actors.journal.codec import Codec, TooNew, Upcasts
from actors.session.state import State, apply
from tests.session.story import ADDRESS

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event as a document of that time held it."""

    type: str
    version: int
    at: datetime
    data: dict[str, Any]


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events in order, from the first of an address, and what of the state they led to has to stay true."""

    about: str
    events: list[Sample]
    state: dict[str, Any]


def told(path: Path) -> Told:
    return msgspec.json.decode(path.read_bytes(), type=Told)


def read(sample: Sample, codec: Codec) -> Any:
    (event,) = codec.events(body(sample.type, sample.version, sample.data))
    return event


def body(kind: str, version: int, data: Mapping[str, Any]) -> bytes:
    return msgspec.msgpack.encode(([(kind, version, data)], None))


def missing(samples: Iterable[tuple[str, int]], types: Mapping[str, type[Event]]) -> set[tuple[str, int]]:
    """The versions of events that no sample stands for."""
    known = {(kind, version) for kind, event in types.items() for version in range(1, event.version + 1)}
    return known - set(samples)


def to_fields(message: Message) -> dict[str, Any]:
    """A message of the state with the names of its fields."""
    return {field: msgspec.to_builtins(getattr(message, field)) for field in message.__struct_fields__}


def check_within(part: Any, whole: Any, path: str) -> None:
    """Everything in `part` is in `whole`; a later program may know more."""
    if isinstance(part, dict):
        assert part.keys() <= whole.keys(), path
        for key, value in part.items():
            check_within(value, whole[key], f"{path}.{key}")
    elif isinstance(part, list):
        assert len(part) == len(whole), path
        for i, value in enumerate(part):
            check_within(value, whole[i], f"{path}[{i}]")
    else:
        assert part == whole, path


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_was_written_then_still_leads_to_the_same_state(path: Path) -> None:
    story, codec, state = told(path), Codec(TYPES, UPCASTS), State()
    for seq, sample in enumerate(story.events, start=1):
        state = apply(state, recorded(ADDRESS, seq, sample.at, read(sample, codec)))
    known = msgspec.to_builtins(state) | {"history": [to_fields(one) for one in state.history]}
    check_within(story.state, known, "state")


def test_every_version_of_every_event_has_a_sample() -> None:
    samples = [(sample.type, sample.version) for path in CORPUS for sample in told(path).events]
    assert missing(samples, TYPES) == set()


def test_every_old_version_can_be_cast_up() -> None:
    old = {(kind, version) for kind, event in TYPES.items() for version in range(1, event.version)}
    assert old == set(UPCASTS)


class Walked(Event, frozen=True):
    """Was first counted in miles as text, then in miles, and is in metres now."""

    type = "test.walked"
    version = 3
    metres: float
    at: datetime
    note: str | None = None


WALKED: dict[str, type[Event]] = {"test.walked": Walked}
CASTS: Upcasts = {
    ("test.walked", 1): lambda fields: fields | {"miles": float(fields.pop("distance"))},
    ("test.walked", 2): lambda fields: {"at": fields["at"], "metres": fields["miles"] * 1609.344},
}
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, {"distance": "2", "at": AT}),
        (2, {"miles": 2.0, "at": AT}),
        (3, {"metres": 3218.688, "at": AT}),
        (3, {"metres": 3218.688, "at": AT, "added_later_in_version_3": True}),
    ],
)
def test_an_old_event_is_read_as_if_written_today(version: int, data: dict[str, Any]) -> None:
    assert Codec(WALKED, CASTS).events(body("test.walked", version, data)) == [Walked(3218.688, AT)]


@pytest.mark.parametrize(("kind", "version"), [("test.walked", 4), ("test.flown", 1)])
def test_an_event_of_a_newer_program_is_refused_not_guessed(kind: str, version: int) -> None:
    with pytest.raises(TooNew):
        Codec(WALKED, CASTS).events(body(kind, version, {"metres": 1.0, "at": AT}))


def test_a_version_without_a_sample_is_found_missing() -> None:
    assert missing([("test.walked", 1), ("test.walked", 3)], WALKED) == {("test.walked", 2)}
