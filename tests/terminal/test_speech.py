"""Whatever deltas come, are cut, repeated or missing, a reply is shown whole and once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from scripts.terminal.speech import Speech, printable


@given(text=st.text(min_size=1), cuts=st.lists(st.integers(0, 50)), lost=st.sets(st.integers(0, 60)))
def test_deltas_and_the_end_make_the_whole_text(text: str, cuts: list[int], lost: set[int]) -> None:
    speech = Speech()
    places = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    shown = ""
    for number, (start, end) in enumerate(pairwise(places)):
        if number not in lost:
            shown += speech.heard("one", start, text[start:end])
    assert text.startswith(shown)
    assert shown + speech.finished("one", text) == text


@given(text=st.text(min_size=1), again=st.integers(0, 20))
def test_a_delta_that_comes_again_shows_nothing_twice(text: str, again: int) -> None:
    speech = Speech()
    start = min(again, len(text))
    assert speech.heard("one", 0, text) == text
    assert speech.heard("one", start, text[start:]) == ""
    assert speech.heard("one", start, text[start:] + "!") == "!"


def test_a_device_that_joins_in_mid_reply_shows_the_text_so_far() -> None:
    speech = Speech()
    assert speech.heard("one", 0, "What a good") == "What a good"
    assert speech.heard("one", 11, " step") == " step"


def test_an_end_that_differs_from_what_was_said_is_shown_on_its_own_line() -> None:
    speech = Speech()
    speech.heard("one", 0, "Half a")
    assert speech.finished("one", "Sorry.") == "\nSorry."


def test_two_replies_do_not_mix() -> None:
    speech = Speech()
    assert speech.heard("one", 0, "a") == "a"
    assert speech.heard("two", 0, "b") == "b"
    assert speech.finished("one", "ax") == "x"


def test_what_a_model_says_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b]0;owned\x07b\r\n\tc") == "a]0;ownedb\n\tc"
