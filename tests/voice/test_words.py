"""What words mean for whose turn it is, in English and German."""

import pytest

from actors.voice.phrases import phrase
from actors.voice.words import SPELLS, THINKS, is_echo, is_nod, is_noise, is_stop, patience


@pytest.mark.parametrize(
    "text", ["stop", "Stop!", "Stop, stop, stop!", "Warte mal.", "bitte stopp", "Hör auf!", "hold on"]
)
def test_demands_to_stop(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", ["", "I want to stop smoking", "ich warte auf dich", "don't stop"])
def test_other_words_with_stop_in_them(text: str) -> None:
    assert not is_stop(text)


@pytest.mark.parametrize("text", ["mhm", "Mhm, ja.", "Okay", "ja ja", "Yeah.", "genau", "I see"])
def test_nods(text: str) -> None:
    assert is_nod(text)


@pytest.mark.parametrize(
    "text", ["", "no", "nein", "ja aber nicht heute", "okay then tell me", "right right right right"]
)
def test_more_than_nods(text: str) -> None:
    assert not is_nod(text)


@pytest.mark.parametrize("text", ["", " ... ", "[Music]", "(coughs)", "*sighs*", "♪", "Thanks for watching!", "Untertitel der Amara.org-Community"])  # fmt: skip
def test_noise(text: str) -> None:
    assert is_noise(text)


@pytest.mark.parametrize("text", ["yes", "42", "Thanks for the help"])
def test_words_are_no_noise(text: str) -> None:
    assert not is_noise(text)


def test_an_echo_is_most_of_our_words_in_order() -> None:
    ours = "First we look at your goals. Then we choose one thing."
    assert is_echo("we look at your goals", ours)
    assert is_echo("look at your gold then we", ours)
    assert not is_echo("what are my goals", ours)
    assert not is_echo("goals", ours)
    assert not is_echo("", ours)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("my number is 0 1 7 6", SPELLS),
        ("it is M, A, X", SPELLS),
        ("I went there and", SPELLS),
        ("ich mache das, weil", SPELLS),
        ("let me think", THINKS),
        ("lass mich mal überlegen", THINKS),
        ("ich glaube, ähm", THINKS),
        ("I ran five kilometres today.", 0.0),
        ("Wie geht es dir?", 0.0),
        ("", 0.0),
    ],
)
def test_who_has_not_finished_is_waited_for(text: str, seconds: float) -> None:
    assert patience(text) == seconds


def test_phrases_are_in_the_users_language_and_fit_the_code() -> None:
    assert phrase("speech.limited", "de-AT") != phrase("speech.limited", "en")
    assert phrase("speech.refused", "en") == phrase("speech.error", "en") != phrase("model.error", "en")
    assert phrase("whatever", "fr") == phrase("", "en")
    assert phrase("working", "en", 0) != phrase("working", "en", 1)
    assert phrase("working", "en", 99) == phrase("working", "en", 2)
