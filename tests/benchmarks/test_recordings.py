"""Counting words that went wrong."""

from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks.recordings import clips, error_rate, noisy, words, wrong


@pytest.mark.parametrize(
    ("said", "heard", "count"),
    [
        ("go forward ten meters", "Go forward 10 metres.", 0),
        ("go forward ten meters", "go ten meters", 1),
        ("go forward ten meters", "go forward to ten meters", 1),
        ("go forward ten meters", "go upward ten meters", 1),
        ("go forward ten meters", "", 4),
        ("go forward", "forward go", 2),
        ("a well-known road", "A well known road", 0),
    ],
)
def test_what_is_left_out_put_in_or_replaced_is_wrong(said: str, heard: str, count: int) -> None:
    assert wrong(said, heard) == count


def test_the_rate_is_of_the_words_that_were_said() -> None:
    assert error_rate([("one two three", "one two"), ("four", "four five six")]) == 75.0


def test_recordings_are_found_with_what_they_say_and_those_without_sound_are_left_out(tmp_path: Path) -> None:
    cards = tmp_path / "cards"
    cards.mkdir()
    (cards / "cards.transcription").write_text("<s> ace of hearts </s> (001)\n<s> two of clubs </s> (002)\n")
    (cards / "001.wav").touch()
    (tmp_path / "goforward.raw").touch()
    found = clips(tmp_path)
    assert [(clip.name, clip.said, clip.is_raw) for clip in found] == [
        ("001", "ace of hearts", False),
        ("goforward", "go forward ten meters", True),
    ]
    assert clips(tmp_path / "nowhere") == []


def test_noise_is_as_far_below_the_voice_as_it_says() -> None:
    voice = (8000 * np.sin(np.arange(48_000) / 20)).astype("<i2")
    noise = np.frombuffer(noisy(voice.tobytes(), 10), "<i2").astype(float) - voice
    assert 10 * np.log10(np.mean(voice.astype(float) ** 2) / np.mean(noise**2)) == pytest.approx(10, abs=0.1)
    assert noisy(voice.tobytes(), 10) == noisy(voice.tobytes(), 10)


def test_spellings_do_not_count() -> None:
    assert words("Mr. Smith's 10 well-kept metres") == ["mister", "smith's", "ten", "well", "kept", "meters"]
