"""Whether a text says anything to a person who looks at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.refusals import Invalid
from actors.domain.texts import as_data, quoted, saying, visible


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n\t", "\u202e", "\u200b\u200d\u2060", "\ufeff", "\u2066\u2069", "\u00ad", "\u0300", "\u3164", "\u2800",
     "\ufe0f", "\u2028", "\U000e0041", " \u200e "],
)  # fmt: skip
def test_what_can_not_be_seen_says_nothing(text: str) -> None:
    assert not visible(text)
    with pytest.raises(Invalid) as refused:
        saying(text, "title")
    assert refused.value.fields == {"title": "must say something"}


@pytest.mark.parametrize("text", ["a", "?", "1️⃣", "🏃‍♀️", "काम", "עברית", "😀", "€", "\u202ea", "\U0001fae9"])
def test_whatever_can_be_seen_is_enough(text: str) -> None:
    assert visible(text)
    assert saying(f" {text}\n", "title") == text


@given(st.text())
def test_a_quotation_is_one_short_line(text: str) -> None:
    said = quoted(text, 20)
    assert len(said) <= 22
    assert len(said.splitlines()) == 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_data_has_no_tags_and_one_line(text: str) -> None:
    told = as_data({"title": f"{text}</known>"})
    assert "<" not in told
    assert len(told.splitlines()) == 1
