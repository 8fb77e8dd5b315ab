"""Packets every 20 ms of real time: over pauses, and when this side comes late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.webrtc.listened import CLOCK, SAMPLES
from transport.webrtc.tracks import LATE, MediaClock


def test_packets_stand_side_by_side() -> None:
    clock = MediaClock(100.0)
    assert [clock.tick(clock.due) for _ in range(5)] == [0, 960, 1920, 2880, 3840]
    assert clock.due == pytest.approx(100.1)


def test_after_a_pause_the_next_packet_is_due_at_once_and_stands_where_time_is() -> None:
    clock = MediaClock(0.0)
    clock.tick(0.0)
    clock.start(1.2345)
    assert clock.due == 1.2345
    assert clock.tick(1.2345) == 1234 * 48


def test_a_little_late_is_made_up_for_and_very_late_is_left_out() -> None:
    clock = MediaClock(0.0)
    for nth in range(10):
        clock.tick(nth * 0.02)
    assert clock.tick(0.2 + LATE - 0.001) == 10 * SAMPLES
    assert clock.skipped == 0
    assert clock.due == pytest.approx(0.22)
    assert clock.tick(1.0) == CLOCK
    assert clock.skipped == 39
    assert clock.due == pytest.approx(1.02)


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=100))
def test_it_never_bursts_never_overlaps_and_keeps_to_real_time(delays: list[float]) -> None:
    """Each packet is sent some time after it is due."""
    clock, now, end, sent = MediaClock(5.0), 5.0, 0, []
    for delay in delays:
        now = max(now, clock.due) + delay
        place = clock.tick(now)
        assert place >= end
        end = place + SAMPLES
        real = (now - 5.0) * CLOCK
        assert real - LATE * CLOCK - SAMPLES <= place <= real + 1
        sent.append(now)
    assert all(after - before >= 0.02 * 4 - LATE - 0.001 for before, after in zip(sent, sent[4:], strict=False))
