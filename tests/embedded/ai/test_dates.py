"""Days in the words of people, in four languages."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.embedded.ai.dates import find, is_said, parse, without_day

TODAY = date(2026, 11, 23)  # a Monday


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("run 10 km by the end of June", "2027-06-30"),
        ("bis Ende März", "2027-03-31"),
        ("Ende März 2028", "2028-03-31"),
        ("d'ici fin février", "2027-02-28"),
        ("à la fin du mois", "2026-11-30"),
        ("hasta finales de abril", "2027-04-30"),
        ("para fin de año", "2026-12-31"),
        ("end of next month", "2026-12-31"),
        ("Ende nächsten Jahres", "2027-12-31"),
        ("in three weeks", "2026-12-14"),
        ("in drei Wochen", "2026-12-14"),
        ("dans deux mois", "2027-01-23"),
        ("en tres semanas", "2026-12-14"),
        ("in 3 months", "2027-02-23"),
        ("am 30. Juni", "2027-06-30"),
        ("le 15 mai", "2027-05-15"),
        ("el 15 de mayo", "2027-05-15"),
        ("June 30th", "2027-06-30"),
        ("by 30 November", "2026-11-30"),
        ("3.4.2027", "2027-04-03"),
        ("2027-02-28", "2027-02-28"),
        ("mid-March", "2027-03-15"),
        ("Mitte Februar", "2027-02-15"),
        ("before July", "2027-06-30"),
        ("in June", "2027-06-30"),
        ("until Friday", "2026-11-27"),
        ("bis Montag", "2026-11-30"),
        ("vendredi prochain", "2026-11-27"),
        ("tomorrow", "2026-11-24"),
        ("übermorgen", "2026-11-25"),
        ("end of Q2", "2027-06-30"),
        ("bis Weihnachten", "2026-12-25"),
        ("by the weekend", "2026-11-29"),
    ],
)
def test_a_day_is_found_in_a_sentence(said: str, day: str) -> None:
    found = find(f"I do it {said}, please", TODAY)
    assert found is not None
    assert found.day == date.fromisoformat(day)


@pytest.mark.parametrize(
    "said",
    [
        "I may run 10 km",
        "march on",
        "read 12 books",
        "call my mother every Sunday",
        "jeden Freitag schwimmen",
        "on 2027-02-29",
        "31. Februar",
        "",
        "Guten Morgen",
    ],
)
def test_no_day_is_made_up(said: str) -> None:
    assert find(said, TODAY) is None


def test_what_no_rule_knows_is_read_by_dateparser() -> None:
    pytest.importorskip("dateparser", reason="part of the extra local")
    assert parse("six months from now", TODAY) == date(2027, 5, 23)
    assert parse("whenever I feel like it", TODAY) is None


@pytest.mark.parametrize(
    ("title", "left"),
    [
        ("Finish my thesis in three weeks", "Finish my thesis"),
        ("Run 10 km by the end of June", "Run 10 km"),
        ("Bis Ende März ein Buch schreiben", "Bis ein Buch schreiben"),
        ("Méditer jusqu'à fin mars", "Méditer"),
        ("Call my mother every Sunday", "Call my mother every Sunday"),
    ],
)
def test_a_title_loses_its_day(title: str, left: str) -> None:
    assert without_day(title, TODAY) in {left, left.removeprefix("Bis ")}


def test_how_often_is_no_day() -> None:
    assert not is_said("every Sunday evening", "call my mother every Sunday evening")
    assert not is_said("tomorrow", "sleep eight hours")
    assert is_said("after Easter", "I want it after Easter")


@given(st.text(max_size=80), st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_any_text_is_read_without_a_fault(text: str, today: date) -> None:
    find(text, today)
    without_day(text, today)


@given(st.dates(date(2020, 1, 1), date(2089, 12, 31)), st.sampled_from(["June", "Juni", "juin", "junio"]))
def test_the_end_of_a_month_is_its_last_day_within_a_year_from_now(today: date, month: str) -> None:
    found = find(f"by end of {month}", today)
    assert found is not None
    assert (found.day.month, found.day.day) == (6, 30)
    assert today <= found.day < today + timedelta(366)
