"""The client says of each moment what its listener hears, as a browser's player would."""

from hypothesis import given
from hypothesis import strategies as st

from scripts.calling.playing import DELAY, Player

STEP, TICKS = 0.02, 960


def test_packets_are_played_in_their_turn_a_little_after_they_came() -> None:
    player = Player()
    for number in range(50):
        player.take(number * TICKS, number, number * STEP)
    assert player.playing(DELAY - 0.001) is None
    assert player.playing(DELAY + 10 * STEP + 0.001) == 10 * TICKS
    assert player.playing(99) == 49 * TICKS


def test_after_a_pause_playing_goes_on_with_the_next_packet() -> None:
    player = Player()
    player.take(0, 0, 0.0)
    player.take(100 * TICKS, 1, 2.0)
    assert player.playing(1.9) == 0
    assert player.playing(2.0 + DELAY) == 100 * TICKS


def test_a_packet_that_waited_on_the_way_is_played_without_waiting_again() -> None:
    player = Player()
    player.take(0, 0, 0.0)
    player.take(TICKS, 1, 0.05)
    assert player.playing(DELAY + STEP) == TICKS


def test_what_did_not_come_is_counted_and_what_comes_twice_is_not() -> None:
    player = Player()
    for sequence in (65_533, 65_534, 1, 1, 0, 2):
        player.take(sequence * TICKS, sequence, 0.0)
    assert player.lost == 2


@given(st.lists(st.floats(0, 0.1), min_size=1, max_size=50), st.integers(0, 2**32 - 1))
def test_it_never_goes_back_and_ends_with_the_last_packet(delays: list[float], origin: int) -> None:
    player, seen = Player(), list[int]()
    for number, delay in enumerate(delays):
        player.take((origin + number * TICKS) % 2**32, number, number * STEP + delay)
        playing = player.playing(number * STEP + delay)
        seen += [] if playing is None else [(playing - origin) % 2**32]
    assert seen == sorted(seen)
    assert player.playing(1e9) == (origin + (len(delays) - 1) * TICKS) % 2**32
