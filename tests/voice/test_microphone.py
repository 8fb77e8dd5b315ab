"""The microphone's ring, the levels of sound, and the timeline of a turn."""

import pytest

from actors.media import HEARD_RATE, WINDOW
from actors.voice.levels import Levels, likeness
from actors.voice.microphone import HELD, Microphone
from actors.voice.timeline import STAGES, Marks

FRAME = HEARD_RATE // 50


def sound(value: int, samples: int = FRAME) -> bytes:
    return value.to_bytes(2, "little", signed=True) * samples


def test_what_was_heard_is_found_by_its_samples() -> None:
    microphone = Microphone()
    for number in range(10):
        microphone.hear(sound(number), number * 0.02)
    assert microphone.end == 10 * FRAME
    assert microphone.between(3 * FRAME, 5 * FRAME) == sound(3) + sound(4)
    assert microphone.between(9 * FRAME, 12 * FRAME) == sound(9)


def test_no_more_is_held_than_a_segment_needs() -> None:
    microphone = Microphone()
    for number in range(50 * 60):
        microphone.hear(sound(number % 1_000), number * 0.02)
    assert len(microphone._pcm) <= 2 * (HELD + HEARD_RATE)
    assert len(microphone.between(microphone.end - 25 * HEARD_RATE, microphone.end)) == 2 * 25 * HEARD_RATE
    assert microphone.between(0, FRAME) == b""


def test_windows_are_given_once_and_in_order() -> None:
    microphone = Microphone()
    assert microphone.window() is None
    microphone.hear(sound(1, WINDOW) + sound(2, WINDOW) + sound(3, 10), 1.0)
    assert [microphone.window(), microphone.window(), microphone.window()] == [sound(1, WINDOW), sound(2, WINDOW), None]
    assert microphone.judged == 2 * WINDOW


def test_where_no_sound_comes_silence_takes_its_place() -> None:
    microphone = Microphone()
    microphone.hear(sound(7), 1.0)
    microphone.fill(1.15)
    assert microphone.end == FRAME
    microphone.fill(1.5)
    assert microphone.end / HEARD_RATE == pytest.approx(0.02 + 0.3, abs=0.001)
    microphone.fill(100)
    assert microphone.end / HEARD_RATE == pytest.approx(0.02 + 1.3, abs=0.001)


def test_while_nobody_is_there_nothing_is_filled() -> None:
    microphone = Microphone()
    microphone.hear(sound(7), 1.0)
    microphone.pause()
    microphone.fill(50)
    microphone.hear(sound(8), 50)
    assert microphone.end == 2 * FRAME


def test_levels_are_the_peaks_of_whole_frames() -> None:
    levels = Levels(4)
    levels.add(sound(5, 3))
    assert levels.peaks == []
    levels.add(sound(5, 2) + sound(-9, 4))
    assert levels.peaks == [5, 5]


def test_an_echo_rises_and_falls_as_we_do() -> None:
    played = [0, 0, 900, 200, 800, 100, 50, 700, 650, 20, 10, 900, 800, 20, 500, 600, 30, 20, 700, 0, 0, 0]
    echo = [level // 10 for level in played[3:20]]
    other = [300, 10, 20, 900, 10, 20, 900, 10, 700, 700, 10, 20, 10, 900, 10, 20, 10]
    assert likeness(echo, played) > 0.95
    assert likeness(other, played) < 0.7
    assert likeness(echo[:5], played) == 0
    assert likeness([500] * 20, played + played) == 0


def test_stages_join_and_add_up() -> None:
    marks = Marks(10.0)
    for number, stage in enumerate(STAGES):
        marks.mark(stage, 10.1004 + number * 0.1001)
        marks.mark(stage, 99)
    assert list(marks.stages()) == list(STAGES)
    assert sum(marks.stages().values()) == round(1000 * (0.1004 + 6 * 0.1001))


def test_a_stage_that_was_passed_over_ends_with_the_next() -> None:
    marks = Marks(1.0)
    marks.mark("first_token", 2.0)
    assert marks.stages() == {"endpoint": 1000, "transcript": 0, "first_token": 0}
