"""Sentences: what is spoken of a text, and that they cover it however it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.voice.sentences import LONGEST, Sentence, Sentences

ALPHABET = st.sampled_from(
    [*"ab1 .,!?\n*_`[]()#-|:…😀", "z.B. ", "Dr. ", "3.5", "https://a.b/c", "```", " – ", "word "]  # noqa: RUF001 - as they are written
)


def sentences(*deltas: str) -> list[Sentence]:
    """As they come out, delta after delta."""
    parting = Sentences()
    return [sentence for delta in deltas for sentence in parting.add(delta)] + parting.close()


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("You ran 3.5 km. Well done!", ["You ran 3.5 km.", "Well done!"]),
        ("Sure, that sounds good, Dr. Smith. Go.", ["Sure, that sounds good,", "Dr. Smith.", "Go."]),
        ("Das geht z.B. am 3. Mai oder d. h. bald. Gut?", ["Das geht z.B. am 3. Mai oder d. h. bald.", "Gut?"]),
        ("In the U.S. it is late. Sleep.", ["In the U.S. it is late.", "Sleep."]),
        ("Plan:\n- **run** 5 km\n- `read` 📚\n", ["Plan:", "run 5 km", "read"]),
        ("1. Run.\n2. Rest.", ["1. Run.", "2. Rest."]),
        ("See [my page](https://a.org/x_y).", ["See my page."]),
        ("It is on https://www.a.org/x?y=1 now.", ["It is on a.org now."]),
        ("Before. ```py\nx = 1\n``` After.", ["Before.", "After."]),
        ("# Ziel\nEs sind 20 °C 😀.", ["Ziel", "Es sind 20 °C ."]),
        ("Use snake_case, *really*.", ["Use snake_case,", "really."]),
        ("Wait... what? Yes.", ["Wait...", "what?", "Yes."]),
    ],
)  # fmt: skip
def test_what_is_spoken(text: str, spoken: list[str]) -> None:
    assert [sentence.text for sentence in sentences(text) if sentence.text] == spoken


def test_the_first_clause_is_spoken_before_its_sentence_is_whole() -> None:
    parting = Sentences()
    assert [s.text for s in parting.add("That is a good idea, and I w")] == ["That is a good idea,"]
    assert parting.add("ould do it, too, if I were you") == []


def test_a_sentence_without_an_end_is_parted_between_words() -> None:
    parted = sentences("word " * 200)
    assert all(len(sentence.text) <= LONGEST for sentence in parted)
    assert all(set(sentence.text.split()) == {"word"} for sentence in parted)


@given(st.lists(ALPHABET, max_size=120).map("".join), st.data())
def test_sentences_cover_the_text_however_it_is_parted(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    deltas = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = sentences(*deltas)
    assert found == sentences(text)
    assert "".join(text[sentence.start : sentence.end] for sentence in found) == text
    assert [sentence.start for sentence in found] == [0, *(sentence.end for sentence in found)][: len(found)]


@given(st.lists(ALPHABET, max_size=120).map("".join))
def test_nothing_is_spoken_that_has_no_word_in_it(text: str) -> None:
    spoken = [sentence.text for sentence in sentences(text)]
    assert all(not part or any(map(str.isalnum, part)) for part in spoken)
    assert not any("😀" in part or "**" in part for part in spoken)
