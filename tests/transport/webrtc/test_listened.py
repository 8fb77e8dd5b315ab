"""Where frames stand on the media clock, and how far the listener is by its player's word or without it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.webrtc.listened import BEHIND, CLOCK, SAMPLES, SILENT, Listener, Runs

ORIGIN = 4_294_960_000
"""RTP time wraps soon after."""


def runs_of(*runs: tuple[int, int, int]) -> Runs:
    made = Runs()
    for place, frame, count in runs:
        for nth in range(count):
            made.sent(place + nth * SAMPLES, frame + nth)
    return made


def listener(runs: Runs) -> Listener:
    made = Listener(runs)
    made.origin = ORIGIN
    return made


@pytest.mark.parametrize(
    ("place", "heard"),
    [(0, 0), (959, 0), (960, 1), (9600, 10), (20_000, 10), (48_959, 10), (48_960, 9), (52_800, 13), (99_999, 15)],
)
def test_a_place_is_a_frame_over_pauses_and_what_was_sent_again(place: int, heard: int) -> None:
    """Ten frames, a pause, and seven of which the first two were sent before."""
    assert runs_of((0, 0, 10), (CLOCK, 8, 7)).heard(place) == heard


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 60), st.integers(0, 20)), min_size=1, max_size=60))
def test_runs_are_what_a_list_of_all_packets_would_say(sent: list[tuple[int, int, int]]) -> None:
    """Each: silence before it (in frames), frames sent, and how far back it goes."""
    packets, place, frame = [], 0, 0
    for gap, count, back in sent:
        place += gap * SAMPLES
        frame = max(0, frame - back)
        packets += [(place + nth * SAMPLES, frame + nth) for nth in range(count)]
        place, frame = place + count * SAMPLES, frame + count
    runs = Runs()
    for one in packets:
        runs.sent(*one)
    for at in range(0, place + CLOCK, 3 * SAMPLES + 7):
        ended = [number + 1 for begins, number in packets if begins + SAMPLES <= at]
        assert runs.heard(at) == (ended[-1] if ended else 0)


def test_what_the_player_says_is_heard_less_its_latency() -> None:
    heard = listener(runs_of((0, 0, 100)))
    end = 100 * SAMPLES
    assert heard.says((ORIGIN + 49 * SAMPLES) % (1 << 32), 0.1, end, now=5.0)
    assert heard.heard(end, 5.5) == (45, True)
    assert heard.says((ORIGIN + 20 * SAMPLES) % (1 << 32), 0.1, end, now=5.6)
    assert heard.heard(end, 5.6) == (45, True)


def test_who_says_to_have_heard_what_was_not_sent_is_not_believed() -> None:
    heard = listener(runs_of((0, 0, 50)))
    assert not heard.says((ORIGIN + 200 * SAMPLES) % (1 << 32), 0, 50 * SAMPLES, now=1.0)
    assert heard.heard(50 * SAMPLES, 1.0) == (50, True)


def test_before_the_first_packet_nothing_is_heard() -> None:
    heard = listener(runs_of((0, 0, 50)))
    assert heard.says((ORIGIN - 90_000) % (1 << 32), 0.5, 50 * SAMPLES, now=1.0)
    assert heard.heard(50 * SAMPLES, 1.0) == (0, True)


def test_without_a_word_it_is_estimated_and_then_confirmed() -> None:
    heard = listener(runs_of((0, 0, 100)))
    assert heard.heard(60 * SAMPLES, 0.5) == (45, False)
    heard.says((ORIGIN + 69 * SAMPLES) % (1 << 32), 0, 72 * SAMPLES, now=1.5)
    assert heard.heard(72 * SAMPLES, 1.5 + SILENT) == (70, True)
    assert heard.heard(100 * SAMPLES, 1.6 + SILENT) == (85, False)
    assert heard.heard(100 * SAMPLES + BEHIND, 9.0) == (100, False)


def test_a_player_that_spoke_has_a_moment_when_the_voice_begins_again() -> None:
    heard = listener(runs_of((0, 0, 10)))
    heard.says((ORIGIN + 9 * SAMPLES) % (1 << 32), 0, 10 * SAMPLES, now=1.0)
    heard.begins(now=20.0)
    assert heard.heard(20 * CLOCK, 20.5) == (10, True)
    assert not heard.heard(20 * CLOCK, 21.5)[1]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 2)), max_size=40))
def test_whatever_a_player_says_it_goes_forward_and_not_beyond_what_was_sent(said: list[tuple[int, float]]) -> None:
    heard, so_far = listener(runs_of((0, 0, 30))), [0]
    for rtp, out in said:
        heard.says(rtp, out, 30 * SAMPLES, now=1.0)
        so_far.append(heard.heard(30 * SAMPLES, 1.0)[0])
    assert all(before <= after <= 30 for before, after in pairwise(so_far))
