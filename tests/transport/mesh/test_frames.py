"""A frame is taken once, whole, from a node of this installation, by the node it is for; nothing else is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.mesh.frames import VERSION, Answer, Ask, BadFrame, Frames, Hint, Part, Refusal

KEY, OTHER = b"k" * 32, b"o" * 32
NULL = msgspec.Raw(msgspec.msgpack.encode(None))
PARTS: list[Part] = [
    Ask(7, "session:ann", "Wake", NULL, 250, 1, "trace"),
    Answer(7, "NoneType", NULL),
    Refusal(8, "not_found", "none", None, {"goal_id": "is unknown"}, None),
    Hint("session:ann", "events", NULL),
]


def flaw(frames: Frames, frame: bytes) -> str:
    with pytest.raises(BadFrame) as bad:
        frames.unpack(frame)
    return bad.value.flaw


def test_what_was_sent_arrives() -> None:
    one, two = Frames("one", KEY), Frames("two", KEY)
    assert two.unpack(one.pack("two", PARTS)) == ("one", PARTS)
    assert two.unpack(one.pack("two", [])) == ("one", [])


def test_a_frame_counts_once_and_never_after_a_newer_one() -> None:
    one, two = Frames("one", KEY), Frames("two", KEY)
    early, late = one.pack("two", PARTS), one.pack("two", PARTS)
    two.unpack(late)
    assert flaw(two, late) == "replayed"
    assert flaw(two, early) == "replayed"
    assert Frames("two", KEY).unpack(early)[0] == "one"


def test_a_frame_for_another_node_or_of_another_installation_is_dropped() -> None:
    assert flaw(Frames("two", KEY), Frames("one", KEY).pack("three", PARTS)) == "misaddressed"
    assert flaw(Frames("two", KEY), Frames("one", OTHER).pack("two", PARTS)) == "forged"


def test_another_version_is_named_as_such() -> None:
    frame = Frames("one", KEY).pack("two", PARTS)
    assert flaw(Frames("two", KEY), b"\x02" + frame[1:]) == "version"


@given(st.integers(0, 400), st.integers(1, 255))
def test_no_byte_can_be_changed_or_missing(place: int, by: int) -> None:
    frame = Frames("one", KEY).pack("two", PARTS)
    place %= len(frame)
    changed = frame[:place] + bytes([frame[place] ^ by]) + frame[place + 1 :]
    for bad in (changed, frame[:place], frame + b"\0"):
        assert flaw(Frames("two", KEY), bad) in {"version", "truncated", "forged"}


@given(st.binary(max_size=200))
def test_noise_is_dropped(noise: bytes) -> None:
    assert flaw(Frames("two", KEY), noise) in {"version", "truncated", "forged"}
    assert flaw(Frames("two", KEY), VERSION + noise) in {"truncated", "forged"}


def test_what_is_signed_and_makes_no_sense_is_dropped() -> None:
    frames = Frames("two", KEY)
    for body in (b"\xc1", msgspec.msgpack.encode(["one", "two", 1, [[9, 1]]]), msgspec.msgpack.encode({"a": 1})):
        assert flaw(frames, VERSION + frames._mac(body) + body) == "unreadable"
