"""The coach's voice as numbered frames: what is asked for by its line, in every order of being given, paused and cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media import Progress
from actors.runtime.envelope import Overloaded
from transport.webrtc.voice import FRAME_BYTES, KEPT, UNSENT, CoachVoice


class Wire:
    """A line whose listener has heard `heard`, by its own word or not."""

    def __init__(self) -> None:
        self.heard_so_far = (0, True)
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def heard(self) -> tuple[int, bool]:
        return self.heard_so_far


def spoken(number: int) -> bytes:
    return number.to_bytes(2, "little") * (FRAME_BYTES // 2)


def given_frames(count: int) -> tuple[CoachVoice, Wire]:
    voice, wire = CoachVoice(), Wire()
    voice.connect(wire)
    voice.play(b"".join(spoken(number) for number in range(count)))
    return voice, wire


def send(voice: CoachVoice, wire: Wire, count: int) -> list[int]:
    taken = [voice.take(wire) for _ in range(count)]
    for one in taken:
        assert one is None or one[1] == spoken(one[0])
    return [one[0] for one in taken if one is not None]


def test_frames_are_numbered_in_the_order_they_are_given_and_what_fills_none_waits() -> None:
    voice, wire = CoachVoice(), Wire()
    voice.connect(wire)
    assert voice.play(spoken(0) + spoken(1)[:-3]) == 1
    assert voice.play(spoken(1)[-3:]) == 2
    assert send(voice, wire, 5) == [0, 1]


def test_the_end_of_a_phrase_is_filled_up_with_silence() -> None:
    voice, wire = CoachVoice(), Wire()
    voice.connect(wire)
    voice.play(b"\1\2")
    assert voice.end_phrase() == 1
    assert voice.end_phrase() == 1
    assert voice.take(wire) == (0, b"\1\2" + bytes(FRAME_BYTES - 2))


def test_a_minute_waits_and_no_more() -> None:
    voice, wire = given_frames(UNSENT)
    with pytest.raises(Overloaded):
        voice.play(spoken(0))
    assert voice.progress().queued == UNSENT
    send(voice, wire, 1)
    assert voice.play(spoken(0)) == UNSENT + 1


def test_it_falls_silent_and_goes_back() -> None:
    voice, wire = given_frames(10)
    assert send(voice, wire, 6) == [0, 1, 2, 3, 4, 5]
    voice.pause()
    assert send(voice, wire, 3) == []
    voice.resume(4)
    assert send(voice, wire, 9) == [4, 5, 6, 7, 8, 9]
    voice.resume(99)
    assert send(voice, wire, 1) == []


def test_what_was_cut_is_not_sent_and_its_numbers_are_given_again() -> None:
    voice, wire = given_frames(10)
    send(voice, wire, 3)
    voice.pause()
    voice.cut()
    assert voice.progress().queued == 3
    assert voice.play(spoken(3)) == 4
    assert send(voice, wire, 3) == [3]


def test_who_was_sent_back_and_is_cut_off_has_no_hole() -> None:
    voice, wire = given_frames(10)
    send(voice, wire, 6)
    voice.resume(2)
    send(voice, wire, 1)
    voice.cut()
    assert voice.play(spoken(6)) == 7
    assert send(voice, wire, 9) == [6]


def test_another_line_takes_over_and_the_first_gets_nothing_more() -> None:
    voice, wire = given_frames(10)
    send(voice, wire, 4)
    wire.heard_so_far = (3, False)
    other = Wire()
    voice.connect(other)
    assert other.woken == 1
    assert send(voice, wire, 3) == []
    assert voice.progress() == Progress(10, 4, 3, confirmed=False)
    voice.resume(3)
    assert send(voice, other, 2) == [3, 4]
    voice.disconnect(wire)
    assert voice.connected
    voice.disconnect(other)
    assert not voice.connected


def test_ten_seconds_are_kept_of_what_was_heard() -> None:
    voice, wire = given_frames(2 * KEPT + 1)
    send(voice, wire, KEPT)
    wire.heard_so_far = (KEPT, True)
    send(voice, wire, KEPT)
    wire.heard_so_far = (2 * KEPT, True)
    voice.play(b"".join(spoken(number) for number in range(2 * KEPT + 1, 3 * KEPT)))
    send(voice, wire, KEPT)
    voice.resume(0)
    (oldest,) = send(voice, wire, 1)
    assert 0 < oldest <= 2 * KEPT


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["play", "send", "hear", "estimate"]), st.integers(0, 40)),
            st.tuples(st.just("resume"), st.integers(-5, 200)),
            st.tuples(st.sampled_from(["pause", "cut", "other"]), st.just(0)),
        )
    )
)
def test_in_every_order_nothing_is_skipped_and_what_was_heard_never_becomes_less(steps: list[tuple[str, int]]) -> None:
    voice, wire = given_frames(0)
    queued, before = 0, voice.progress()
    for step, many in steps:
        if step == "play":
            queued = voice.play(b"".join(spoken(queued + number) for number in range(many)))
        elif step == "send":
            for number in send(voice, wire, many):
                assert number <= before.sent
                before = voice.progress()
        elif step in {"hear", "estimate"}:
            wire.heard_so_far = (many, step == "hear")
        elif step == "resume":
            voice.resume(many)
        elif step == "other":
            wire = Wire()
            voice.connect(wire)
        else:
            getattr(voice, step)()
            queued = voice.progress().queued
        now = voice.progress()
        assert now.heard <= now.sent <= now.queued == queued
        assert now.heard >= before.heard
        assert now.sent >= before.sent
        before = now
