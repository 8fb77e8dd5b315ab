"""Numbers in the words of people, and what kind of progress they tell of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.embedded.ai.amounts import number, percent, progress


@pytest.mark.parametrize(
    ("said", "value", "unit"),
    [
        ("12 books", 12, "books"),
        ("zwölf Bücher", 12, "bucher"),
        ("1,500 euros", 1500, "euros"),
        ("1.500 Euro", 1500, "euro"),
        ("12,5 km", 12.5, "km"),
        ("7.5kg", 7.5, "kg"),
        ("a dozen eggs", 12, "eggs"),
    ],
)
def test_a_number_and_its_unit(said: str, value: float, unit: str) -> None:
    assert number(said) == (value, unit)


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("half", 50),
        ("die Hälfte", 50),
        ("deux tiers", 66.7),
        ("zu einem Drittel", 33.3),
        ("80 %", 80),
        ("3 of 12", 25),
        ("por la mitad", 50),
        ("fine", None),
    ],
)
def test_a_share(said: str, share: float | None) -> None:
    assert percent(said) == share


@pytest.mark.parametrize(
    ("said", "measured", "kind", "value"),
    [
        ("I read 3 more books", True, "add", 3),
        ("I'm at 7 books now", True, "amount", 7),
        ("bin jetzt bei 9 Büchern", True, "amount", 9),
        ("zwei weitere Bücher", True, "add", 2),
        ("I ran 5 km", True, "add", 5),
        ("Just read another book", True, "add", 1),
        ("Noch ein Buch gelesen", True, "add", 1),
        ("otro libro leído", True, "add", 1),
        ("I read 2 today, that makes 9 in total", True, "amount", 9),
        ("heute noch eins, jetzt insgesamt 5", True, "amount", 5),
        ("I'm halfway there", False, "percent", 50),
        ("40 Prozent", False, "percent", 40),
    ],
)
def test_the_kind_of_progress(said: str, measured: bool, kind: str, value: float) -> None:  # noqa: FBT001 - a column of the table
    assert progress(said, measured=measured) == (kind, value)


@given(st.text(max_size=60))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    number(text)
    share = percent(text)
    assert share is None or 0 <= share <= 100
