"""The jitter buffer under whatever a network does: order, none twice, nothing lost that came in time, bounded memory."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.webrtc.jitter import HELD, MAX_DROPOUT, PATIENCE, JitterBuffer, Packet, Released

FRAME = 0.02
TICKS = 960


class Arrival(NamedTuple):
    at: float
    number: int


def packet(number: int, *, ssrc: int = 1, start: int = 0) -> Packet:
    """20 ms of a stream whose sequence numbers and timestamps begin anywhere, and wrap around."""
    return Packet(ssrc, (start + number) % 2**16, (start * TICKS + number * TICKS) % 2**32, b"%d" % number)


def run(arrivals: Sequence[Arrival], start: int = 0) -> tuple[JitterBuffer, list[tuple[float, Released]]]:
    """As the loop does it: timers between the packets, and one more at the end."""
    buffer = JitterBuffer()
    released: list[tuple[float, Released]] = []
    for at, number in arrivals:
        while (deadline := buffer.next_deadline) < at:
            released += [(deadline, one) for one in buffer.release(deadline)]
        released += [(at, one) for one in buffer.add(packet(number, start=start), at)]
        assert len(buffer._held) <= HELD
    while (deadline := buffer.next_deadline) < math.inf:
        released += [(deadline, one) for one in buffer.release(deadline)]
    return buffer, released


def numbers(released: Sequence[tuple[float, Released]]) -> list[int]:
    return [int(one.packet.payload) for _, one in released]


def in_time(sent: Sequence[int]) -> list[Arrival]:
    return [Arrival(number * FRAME, number) for number in sent]


def test_in_order_nothing_waits() -> None:
    buffer, released = run(in_time(range(100)))
    assert numbers(released) == list(range(100))
    assert buffer.counts.delay == buffer.counts.lost == 0


def test_a_packet_that_overtook_another_waits_for_it() -> None:
    _, released = run([Arrival(0.0, 0), Arrival(0.02, 2), Arrival(0.025, 1), Arrival(0.06, 3)])
    assert numbers(released) == [0, 1, 2, 3]
    assert [one.lost for _, one in released] == [0, 0, 0, 0]
    assert released[2][1].delay == pytest.approx(0.005)


def test_a_lost_packet_is_waited_for_40_ms_and_told_of_with_the_next() -> None:
    buffer, released = run([Arrival(0.0, 0), Arrival(0.04, 2)])
    assert [(at, one.lost) for at, one in released] == [(0.0, 0), (0.04 + PATIENCE, 1)]
    assert buffer.counts.lost == 1
    assert buffer.next_deadline == math.inf


@pytest.mark.parametrize("start", [0, 4_473_921])
def test_in_a_burst_that_is_late_already_nothing_is_waited_for(start: int) -> None:
    """Also where the timestamp wraps around in the midst of it."""
    _, released = run([Arrival(0.0, 0), *(Arrival(0.3, number) for number in (1, 3, 4, 5, 6))], start)
    assert numbers(released) == [0, 1, 3, 4, 5, 6]
    assert released[-1][0] == 0.3


@pytest.mark.parametrize(("again", "kind"), [(0, "duplicate"), (1, "late"), (4, "late"), (5, "duplicate")])
def test_who_comes_again_is_a_duplicate_and_who_was_given_up_is_late(again: int, kind: str) -> None:
    buffer, released = run([Arrival(0.0, 0), Arrival(0.1, 5), Arrival(0.2, again)])
    assert numbers(released) == [0, 5]
    assert (buffer.counts.duplicate, buffer.counts.late) == ((1, 0) if kind == "duplicate" else (0, 1))


def test_the_last_words_before_silence_are_not_held_back() -> None:
    """No packet comes any more: time alone releases those behind a gap."""
    _, released = run([*in_time([0, 1, 3]), Arrival(2.0, 4)])
    assert [at for at, _ in released] == [0.0, 0.02, pytest.approx(0.06 + PATIENCE), 2.0]


def test_two_packets_of_another_source_begin_its_stream_and_what_was_held_comes_first() -> None:
    buffer = JitterBuffer()
    assert buffer.add(packet(0), 0.0)
    assert not buffer.add(packet(2), 0.04)
    assert not buffer.add(packet(0, ssrc=2, start=9000), 0.05)
    released = buffer.add(packet(1, ssrc=2, start=9000), 0.06)
    assert [(one.packet.ssrc, one.packet.payload, one.lost) for one in released] == [
        (1, b"2", 1),
        (2, b"0", 0),
        (2, b"1", 0),
    ]
    assert (buffer.counts.restarts, buffer.counts.strange) == (1, 0)


@pytest.mark.parametrize("jump", [MAX_DROPOUT + 1, 40_000, 2**16 - 101])
def test_a_jump_is_believed_when_the_next_packet_says_so_too(jump: int) -> None:
    buffer = JitterBuffer()
    assert buffer.add(packet(0), 0.0)
    assert not buffer.add(packet(jump), 0.02)
    assert [one.lost for one in buffer.add(packet(jump + 1), 0.04)] == [0, 0]
    assert len(buffer.add(packet(jump + 2), 0.06)) == 1


def test_strangers_one_at_a_time_disturb_nobody() -> None:
    buffer = JitterBuffer()
    released = []
    for number in range(200):
        released += buffer.add(packet(number), number * FRAME)
        assert not buffer.add(packet(7 * number, ssrc=2), number * FRAME)
        assert not buffer.add(packet(number + 20_000), number * FRAME)
    assert [int(one.packet.payload) for one in released] == list(range(200))
    assert buffer.counts.strange == 399


def test_another_stream_is_not_believed_while_the_first_goes_on() -> None:
    buffer = JitterBuffer()
    for number in range(50):
        assert len(buffer.add(packet(number), number * FRAME)) == 1
        assert not buffer.add(packet(number, ssrc=2), number * FRAME)
    assert buffer.counts.restarts == 0


def test_a_full_buffer_gives_up_what_is_missing_and_drops_nothing() -> None:
    """All at the same moment, with one timestamp: neither time nor sound tells that the gap is old."""
    buffer = JitterBuffer()
    buffer.add(packet(0), 0.0)
    released = [one for number in range(2, 300) for one in buffer.add(Packet(1, number, 0, b"x"), 0.0)]
    assert [one.packet.sequence for one in released] == list(range(2, 300))
    assert released[0].lost == buffer.counts.overflow == 1


@st.composite
def traces(draw: st.DrawFn) -> list[Arrival]:
    """Each packet is lost, or comes once or more, each time after a delay of its own; those of a stall come together."""
    arrivals = []
    stall = draw(st.integers(0, 60)), draw(st.sampled_from([0.0, 0.1, 0.5]))
    for number in range(draw(st.integers(1, 60))):
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2]))):
            delay = draw(st.floats(0, 0.12)) if draw(st.booleans()) else 0.0
            at = number * FRAME + delay
            arrivals.append(Arrival(max(at, stall[0] * FRAME + stall[1]) if number >= stall[0] else at, number))
    return sorted(arrivals)


@settings(max_examples=150, deadline=None)
@given(trace=traces(), start=st.sampled_from([0, 2**16 - 30, 4_473_924]))
def test_whatever_the_network_does(trace: list[Arrival], start: int) -> None:
    """Sequence numbers wrap at the second start, timestamps (2³² ÷ 960 = 4,473,924) at the third."""
    buffer, released = run(trace, start)
    heard = numbers(released)
    assert heard == sorted(set(heard))
    _assert_nothing_in_time_is_missing(trace, set(heard))
    counts = buffer.counts
    assert counts.released + counts.late + counts.duplicate == len(trace)
    assert counts.lost == sum(one.lost for _, one in released)
    if heard:
        assert counts.lost == heard[-1] - heard[0] + 1 - len(heard)
    assert all(one.delay <= PATIENCE + 1e-9 for _, one in released)


def _assert_nothing_in_time_is_missing(trace: Sequence[Arrival], heard: set[int]) -> None:
    """A packet's turn is when it would have come as fast as the fastest before it; the first to come begins the stream."""
    fastest = float("inf")
    for at, number in trace:
        fastest = min(fastest, at - number * FRAME)
        if number > trace[0].number and at - number * FRAME <= fastest + PATIENCE - 1e-9:
            assert number in heard, (number, trace)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.floats(0, 0.03))))
def test_garbage_is_bounded_and_the_stream_after_it_is_heard(
    garbage: list[tuple[int, int, int, float]],
) -> None:
    buffer, now = JitterBuffer(), 0.0
    for ssrc, sequence, timestamp, later in garbage:
        now += later
        buffer.add(Packet(ssrc, sequence, timestamp, b""), now)
        assert len(buffer._held) <= HELD
    heard = []
    for number in range(6):
        now += FRAME
        heard += [one.packet.payload for one in buffer.add(packet(number, ssrc=9), now) if one.packet.ssrc == 9]
    assert heard == [b"%d" % number for number in range(6)]
