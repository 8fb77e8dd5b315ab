"""Endpointing: when a turn begins, pauses and ends, and what it learns of a user's pauses."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media import HEARD_RATE, WINDOW
from actors.voice.endpointing import (
    CEILING,
    CUT_AT,
    FLOOR,
    LONGEST,
    PAUSE,
    SAFE,
    STEP,
    UNFINISHED,
    Ended,
    Endpointing,
    Filled,
    Found,
    Paused,
    Resumed,
    Started,
)


class Listener:
    """Feeds an endpointing seconds of sound and answers what it found; the judge is asked at each pause."""

    def __init__(self, judge: float | None = 1.0, mean: float | None = None) -> None:
        self.endpointing = Endpointing(mean)
        self.windows = 0
        self._judge = judge

    def hear(self, probability: float, seconds: float) -> list[Found]:
        return list(self._hear(probability, round(seconds / STEP)))

    def _hear(self, probability: float, windows: int) -> Iterator[Found]:
        for _ in range(windows):
            self.windows += 1
            for found in self.endpointing.window(probability, self.windows * WINDOW, self.windows * STEP):
                if isinstance(found, Paused) and self._judge is not None:
                    self.endpointing.judge(found.segment, self._judge)
                yield found


def ends_after(listener: Listener) -> float:
    """Seconds of silence from the last speech to the end of the turn."""
    (ended,) = [found for found in listener.hear(0.0, 6) if isinstance(found, Ended)]
    return ended.at - ended.spoken_until


def test_a_turn_begins_pauses_and_ends() -> None:
    listener = Listener()
    assert not listener.hear(0.1, 1)
    (started,) = listener.hear(0.9, 1)
    assert isinstance(started, Started)
    assert started.sample < HEARD_RATE
    paused, ended = listener.hear(0.0, 1)
    assert isinstance(paused, Paused)
    assert isinstance(ended, Ended)
    assert ended.segment == paused.segment
    assert paused.segment.start == started.sample
    assert ended.voiced == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("judge", "silence"), [(1.0, 0.5), (0.0, UNFINISHED), (None, SAFE)], ids=["finished", "unfinished", "no-judge"]
)
def test_the_judge_only_lengthens_the_pause_that_ends_a_turn(judge: float | None, silence: float) -> None:
    listener = Listener(judge)
    listener.hear(0.9, 1)
    assert ends_after(listener) == pytest.approx(silence, abs=2 * STEP)


def test_a_click_is_no_speech() -> None:
    listener = Listener()
    assert not listener.hear(0.9, STEP) + listener.hear(0.0, 1)


def test_speech_goes_on_after_a_pause() -> None:
    listener = Listener()
    listener.hear(0.9, 1)
    found = [*listener.hear(0.0, 0.3), *listener.hear(0.9, 0.5)]
    assert [type(each) for each in found] == [Paused, Resumed]


def test_the_pauses_of_who_speaks_slowly_are_learned() -> None:
    listener = Listener(judge=1.0)
    for _ in range(12):
        listener.hear(0.9, 1)
        listener.hear(0.0, 0.45)
    slow = listener.endpointing.limit
    assert slow > 0.52
    listener.hear(0.0, 3)
    for _ in range(12):
        listener.hear(0.9, 1)
        listener.hear(0.0, 3)
    assert listener.endpointing.limit < slow


def test_what_was_learned_in_an_earlier_call_counts_from_the_beginning() -> None:
    listener = Listener(mean=0.7)
    listener.hear(0.9, 1)
    assert ends_after(listener) == pytest.approx(0.875, abs=2 * STEP)


def test_words_that_ask_for_patience_get_it() -> None:
    listener = Listener()
    listener.hear(0.9, 1)
    (paused,) = listener.hear(0.0, 0.25)
    assert isinstance(paused, Paused)
    listener.endpointing.hint(paused.segment, 4.0)
    assert ends_after(listener) == pytest.approx(4, abs=2 * STEP)


def test_an_opinion_of_an_earlier_pause_is_nothing_any_more() -> None:
    listener = Listener(judge=None)
    listener.hear(0.9, 1)
    (paused,) = listener.hear(0.0, 0.25)
    listener.hear(0.9, 1)
    assert isinstance(paused, Paused)
    listener.endpointing.judge(paused.segment, 0.0)
    listener.endpointing.hint(paused.segment, 4.0)
    assert ends_after(listener) == pytest.approx(SAFE, abs=2 * STEP)


def test_ten_minutes_without_a_pause_are_parted_and_answered() -> None:
    listener = Listener()
    found = listener.hear(0.9, 600)
    segments = [each.segment for each in found if isinstance(each, Filled | Ended)]
    ended = [each for each in found if isinstance(each, Ended)]
    assert all(segment.end - segment.start <= CUT_AT * HEARD_RATE for segment in segments)
    assert len(ended) == 1  # who still speaks is not heard again before a pause
    assert ended[0].forced
    assert ended[0].at <= LONGEST + 1
    assert [type(each) for each in [*listener.hear(0.0, 0.3), *listener.hear(0.9, 1)]] == [Started]


def test_a_long_segment_ends_at_a_pause() -> None:
    listener = Listener()
    listener.hear(0.9, 15)
    (first,) = listener.hear(0.0, 0.3)
    listener.hear(0.9, 2)
    second = listener.hear(0.0, 0.3)[0]
    assert isinstance(first, Paused)
    assert isinstance(second, Paused)
    assert second.segment.number == first.segment.number + 1
    assert second.segment.start == first.segment.end


def test_whoever_was_cut_off_is_forgotten() -> None:
    listener = Listener()
    listener.hear(0.9, 1)
    listener.endpointing.drop()
    assert not listener.hear(0.0, 3)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.9]), st.floats(0.03, 4)), max_size=40), st.sampled_from([0, 1]))
def test_whatever_is_heard_turns_begin_and_end_in_order(sounds: list[tuple[float, float]], judge: float) -> None:
    listener = Listener(judge)
    found = [each for probability, seconds in sounds for each in listener.hear(probability, seconds)]
    speaking = pausing = False
    last_end = 0
    for each in found:
        match each:
            case Started():
                assert not speaking
                assert each.sample >= last_end
                speaking, pausing = True, False
            case Paused():
                assert speaking
                assert not pausing
                pausing = True
            case Resumed():
                assert pausing
                pausing = False
            case Ended():
                assert speaking
                assert each.at - each.spoken_until >= PAUSE
                speaking, last_end = False, each.segment.end
    assert FLOOR <= listener.endpointing.limit <= CEILING
    ended = listener.hear(0.0, 3)
    assert not speaking or isinstance(ended[-1], Ended)
