"""The ledger: which words of a text were heard, and where a voice may go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media import FRAME, SPOKEN_RATE, Word
from actors.voice.playout import Playout, syllables
from actors.voice.sentences import Sentences

FRAMES = int(1 / FRAME)
LOUD = b"\x00\x20" * (SPOKEN_RATE // FRAMES)
SILENT = bytes(len(LOUD))


def spoken(text: str, *, frames: int = 20, times: bool = True) -> Playout:
    """A ledger in which each word of the text has so many frames, line after line."""
    ledger, parting, frame = Playout(), Sentences(), 0
    for number, line in enumerate([*parting.add(text), *parting.close()]):
        words = line.text.split()
        ledger.begin(1, number, line.text, text[line.start : line.end], line.start, frame)
        timed = tuple(Word(word, n * frames * FRAME, (n + 1) * frames * FRAME) for n, word in enumerate(words))
        frame += frames * len(words)
        ledger.grow(number, frame, LOUD * frames * len(words), timed if times else (), whole=True)
    return ledger


def kept(ledger: Playout, text: str, frame: int) -> str:
    return text[: ledger.heard(1, frame)].rstrip()


TEXT = "Sure, I *can* help. You ran 3.5 km today, well done!"


@pytest.mark.parametrize(
    ("frame", "heard"),
    [
        (0, ""),
        (19, ""),
        (20, "Sure,"),
        (59, "Sure, I"),
        (60, "Sure, I *can"),
        (80, "Sure, I *can* help."),
        (81, "Sure, I *can* help."),
        (140, "Sure, I *can* help. You ran 3.5"),
        (1_000, TEXT),
    ],
)
def test_the_text_up_to_the_last_word_heard_is_kept(frame: int, heard: str) -> None:
    assert kept(spoken(TEXT), TEXT, frame) == heard


def test_without_times_words_take_as_long_as_their_syllables() -> None:
    text = "Internationalisation is a word."
    ledger = spoken(text, times=False)
    assert kept(ledger, text, 40) == ""
    assert kept(ledger, text, 54) == "Internationalisation"
    assert kept(ledger, text, 80) == text


def test_silence_around_the_words_is_no_part_of_them() -> None:
    ledger = Playout()
    ledger.begin(1, 1, "run well", "run well", 0, 0)
    ledger.grow(1, 140, SILENT * 50 + LOUD * 40 + SILENT * 50, (), whole=True)
    assert ledger.heard(1, 69) == 0
    assert ledger.heard(1, 70) == len("run")
    assert ledger.heard(1, 90) == len("run well")


def test_of_a_line_that_still_comes_the_length_is_reckoned() -> None:
    ledger = Playout()
    ledger.begin(1, 1, "one two three four", "one two three four", 0, 0)
    ledger.grow(1, 5, LOUD * 5, (), whole=False)
    assert ledger.heard(1, 5) == 0


def test_a_filler_is_no_part_of_the_text() -> None:
    ledger = Playout()
    ledger.begin(1, 1, "One moment.", "", 0, 0)
    ledger.grow(1, 50, LOUD * 50, (), whole=True)
    assert ledger.heard(1, 50) == 0


def test_the_lines_of_another_reply_do_not_count() -> None:
    ledger = spoken(TEXT)
    assert ledger.heard(2, 1_000) == 0


def test_a_voice_goes_on_at_the_beginning_of_a_word() -> None:
    ledger = spoken(TEXT)
    assert [ledger.word_start(frame) for frame in (0, 19, 20, 85, 99, 5_000)] == [0, 0, 20, 80, 80, 5_000]


def test_what_is_in_the_air_is_known() -> None:
    ledger = spoken(TEXT)
    assert ledger.around(70, 79) == "Sure, I can help."
    assert ledger.levels(0, 3) == [0x2000] * 3


def test_syllables_tell_long_words_from_short_ones() -> None:
    assert syllables("a") < syllables("Verantwortung") < syllables("Verantwortung.")


WORDS = st.lists(st.sampled_from(["run", "*well*", "3.5", "z.B.", "Gehen", "und", "done!", "so,", "why?"]), min_size=1)


@given(WORDS.map(" ".join), st.lists(st.integers(0, 400), min_size=2, max_size=12), st.booleans())
def test_who_hears_more_keeps_more_and_only_whole_words(text: str, frames: list[int], times: bool) -> None:  # noqa: FBT001 - drawn
    ledger = spoken(text, times=times)
    offsets = [ledger.heard(1, frame) for frame in sorted(frames)]
    assert offsets == sorted(offsets)
    for offset in offsets:
        rest = text[offset:]
        assert offset == 0 or not rest or not rest[0].isalnum()
    assert ledger.heard(1, 10**6) == len(text)
    assert all(ledger.word_start(frame) <= frame for frame in frames)
