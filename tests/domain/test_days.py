"""A user's days and the days in a row."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.days import active, days_in_row, local_day, taken_back, zones
from actors.domain.profile import Activity

NEW_YORK, HAVANA, APIA = "America/New_York", "America/Havana", "Pacific/Apia"
LOS_ANGELES, AUCKLAND, BERLIN = "America/Los_Angeles", "Pacific/Auckland", "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "tz", "day"),
    [
        ("2026-03-08T04:59:59", NEW_YORK, "2026-03-07"),
        ("2026-03-08T05:00:00", NEW_YORK, "2026-03-08"),
        ("2026-03-08T07:30:00", NEW_YORK, "2026-03-08"),  # 03:30, after the gap
        ("2026-03-09T03:59:59", NEW_YORK, "2026-03-08"),  # a day of 23 hours
        ("2026-03-09T04:00:00", NEW_YORK, "2026-03-09"),
        ("2026-11-01T04:00:00", NEW_YORK, "2026-11-01"),
        ("2026-11-01T05:30:00", NEW_YORK, "2026-11-01"),  # 01:30 the first time
        ("2026-11-01T06:30:00", NEW_YORK, "2026-11-01"),  # 01:30 again
        ("2026-11-02T04:59:59", NEW_YORK, "2026-11-01"),  # a day of 25 hours
        ("2026-03-08T04:59:59", HAVANA, "2026-03-07"),
        ("2026-03-08T05:00:00", HAVANA, "2026-03-08"),  # a day that begins at 01:00
        ("2011-12-30T09:59:59", APIA, "2011-12-29"),
        ("2011-12-30T10:00:00", APIA, "2011-12-31"),  # the 30th never was
        ("2026-06-01T11:59:59", AUCKLAND, "2026-06-01"),
        ("2026-06-01T12:00:00", AUCKLAND, "2026-06-02"),
        ("2026-01-01T00:30:00", "Pacific/Kiritimati", "2026-01-01"),
        ("2026-01-01T10:30:00", "Pacific/Kiritimati", "2026-01-02"),
        ("2026-01-01T10:30:00", "Pacific/Niue", "2025-12-31"),
    ],
)
def test_the_day_is_the_local_civil_date(at: str, tz: str, day: str) -> None:
    assert local_day(utc(at), tz) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("at", "tz", "day"),
    [
        ("2026-06-02T07:59:00", NEW_YORK, "2026-06-01"),  # 03:59 still belongs to the evening before
        ("2026-06-02T08:00:00", NEW_YORK, "2026-06-02"),
        ("2026-03-08T07:59:00", NEW_YORK, "2026-03-07"),  # 03:59 on the wall, though only 2 h 59 after midnight
        ("2026-03-08T08:00:00", NEW_YORK, "2026-03-08"),
        ("2026-11-01T08:59:00", NEW_YORK, "2026-10-31"),  # 03:59 on the wall, though 4 h 59 after midnight
        ("2026-11-01T09:00:00", NEW_YORK, "2026-11-01"),
    ],
)
def test_a_day_may_begin_at_four_by_the_wall_clock(at: str, tz: str, day: str) -> None:
    assert local_day(utc(at), tz, day_start_minute=240) == date.fromisoformat(day)


def test_an_instant_without_a_zone_has_no_day() -> None:
    with pytest.raises(ValueError, match="zone"):
        local_day(datetime(2026, 1, 1), BERLIN)  # noqa: DTZ001 - what is refused here


def test_zones_are_those_of_iana_only() -> None:
    assert {BERLIN, "UTC", "Asia/Kathmandu"} <= zones()
    assert not {"Europe", "europe/berlin", "localtime", "../etc/passwd", "", "Mars/Olympus", "posix/UTC"} & zones()


def deeds(*told: tuple[str, str]) -> Activity:
    activity = Activity()
    for at, tz in told:
        activity = active(activity, local_day(utc(at), tz), tz, utc(at))
    return activity


def without(activity: Activity, day: str) -> Activity:
    return taken_back(activity, date.fromisoformat(day))


def test_a_deed_that_was_none_takes_its_day_along_if_that_had_no_other() -> None:
    two = (("2026-05-01T10:00:00", BERLIN), ("2026-05-02T10:00:00", BERLIN))
    before, third = deeds(*two), ("2026-05-03T10:00:00", BERLIN)
    once, twice = deeds(*two, third), deeds(*two, third, third)
    assert without(once, "2026-05-03").days_in_row == before.days_in_row == 2
    assert without(once, "2026-05-03").last_day == before.last_day
    assert without(twice, "2026-05-03").days_in_row == 3
    assert without(without(twice, "2026-05-03"), "2026-05-03").days_in_row == 2
    assert without(deeds(two[0]), "2026-05-01").days_in_row == 0
    again = active(without(once, "2026-05-03"), date(2026, 5, 3), BERLIN, utc(third[0]))
    assert again.days_in_row == 3


def test_an_older_day_stays_and_what_is_told_late_is_not_forgotten() -> None:
    told = deeds(("2026-05-01T10:00:00", BERLIN), ("2026-05-03T10:00:00", BERLIN), ("2026-05-02T10:00:00", BERLIN))
    assert (told.days_in_row, without(told, "2026-05-02").days_in_row) == (3, 3)
    assert (without(told, "2026-05-03").days_in_row, without(told, "2026-05-03").last_day) == (2, date(2026, 5, 2))


@given(st.lists(st.integers(0, 40), min_size=1), st.integers(0, 5))
def test_taking_the_newest_deeds_back_leaves_the_row_as_if_they_had_never_been(offsets: list[int], more: int) -> None:
    start, days = utc("2026-02-20T12:00:00"), [*sorted(offsets), *[41] * (more + 1)]
    told = [(local_day(start + timedelta(days=day), BERLIN), start + timedelta(days=day)) for day in days]
    activity = Activity()
    for day, at in told[: len(offsets)]:
        activity = active(activity, day, BERLIN, at)
    after = activity
    for day, at in told[len(offsets) :]:
        after = active(after, day, BERLIN, at)
    for day, _ in told[len(offsets) :]:
        assert after.last_day == day
        after = taken_back(after, day)
    assert (after.days_in_row, after.last_day, after.done) == (activity.days_in_row, activity.last_day, activity.done)


def test_days_in_a_row_end_today_or_yesterday() -> None:
    activity = deeds(*((f"2026-05-0{day}T10:00:00", BERLIN) for day in (1, 2, 3)))
    assert days_in_row(Activity(), date(2026, 5, 3), BERLIN) == 0
    assert days_in_row(activity, date(2026, 5, 3), BERLIN) == 3
    assert days_in_row(activity, date(2026, 5, 4), BERLIN) == 3
    assert days_in_row(activity, date(2026, 5, 5), BERLIN) == 0


def test_a_day_counts_once_and_a_missed_day_begins_anew() -> None:
    assert deeds(("2026-05-01T08:00:00", BERLIN), ("2026-05-01T20:00:00", BERLIN)).days_in_row == 1
    missed = deeds(("2026-05-01T08:00:00", BERLIN), ("2026-05-02T08:00:00", BERLIN), ("2026-05-04T08:00:00", BERLIN))
    assert missed.days_in_row == 1


def test_one_minute_before_and_after_midnight_are_two_days() -> None:
    assert deeds(("2026-05-01T21:59:00", BERLIN), ("2026-05-01T22:01:00", BERLIN)).days_in_row == 2


def test_a_short_day_of_daylight_saving_still_counts_when_it_was_missed() -> None:
    # 23 h 2 min lie between, and in them all of 8 March.
    missed = deeds(("2026-03-08T04:59:00", NEW_YORK), ("2026-03-09T04:01:00", NEW_YORK))
    assert missed.days_in_row == 1


def test_a_gap_and_a_fold_break_nothing() -> None:
    spring = deeds(*((f"2026-03-{day:02}T07:30:00", NEW_YORK) for day in (7, 8, 9)))
    autumn = deeds(
        ("2026-10-31T05:30:00", NEW_YORK), ("2026-11-01T06:30:00", NEW_YORK), ("2026-11-02T06:30:00", NEW_YORK)
    )
    assert (spring.days_in_row, autumn.days_in_row) == (3, 3)


def test_flying_west_over_the_date_line_skips_a_date_and_breaks_nothing() -> None:
    # Monday 20:00 in Los Angeles; Wednesday 08:00 in Auckland is Tuesday 12:00 there.
    flown = deeds(
        ("2026-06-01T03:00:00", LOS_ANGELES), ("2026-06-02T03:00:00", LOS_ANGELES), ("2026-06-02T20:00:00", AUCKLAND)
    )
    assert flown.last_day == date(2026, 6, 3)
    assert flown.days_in_row == 3


def test_after_the_flight_there_is_still_time_to_go_on() -> None:
    before = deeds(("2026-06-02T03:00:00", LOS_ANGELES))
    assert days_in_row(before, date(2026, 6, 3), AUCKLAND) == 1
    assert days_in_row(before, date(2026, 6, 3), LOS_ANGELES) == 0


def test_flying_east_over_the_date_line_repeats_a_date_and_breaks_nothing() -> None:
    flown = deeds(
        ("2026-06-01T20:00:00", AUCKLAND),  # Tuesday 2 June
        ("2026-06-02T03:00:00", LOS_ANGELES),  # Monday 1 June
        ("2026-06-03T03:00:00", LOS_ANGELES),  # Tuesday 2 June again
        ("2026-06-04T03:00:00", LOS_ANGELES),  # Wednesday
    )
    assert flown.last_day == date(2026, 6, 3)
    assert flown.days_in_row == 2


def test_a_traveller_who_missed_a_whole_day_in_both_zones_begins_anew() -> None:
    assert deeds(("2026-06-01T10:00:00", BERLIN), ("2026-06-03T20:00:00", NEW_YORK)).days_in_row == 1


def test_a_date_that_a_zone_never_had_was_not_missed() -> None:
    over = deeds(("2011-12-29T20:00:00", APIA), ("2011-12-30T20:00:00", APIA))
    assert over.last_day == date(2011, 12, 31)
    assert over.days_in_row == 2
    assert days_in_row(deeds(("2011-12-29T20:00:00", APIA)), date(2011, 12, 31), APIA) == 1


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(31, 60)), st.integers(0, 3))
def test_days_told_late_count_where_they_lie(online: set[int], offline: set[int], more: int) -> None:
    start = utc("2026-02-20T12:00:00")
    activity, noon = Activity(), timedelta(hours=1)
    told = [(offset, start + timedelta(days=offset) + noon) for offset in sorted(online | {60})]
    told += [(offset, start + timedelta(days=offset)) for offset in sorted(offline)]
    told += [(60 + n, start + timedelta(days=60 + n) + noon) for n in range(1, more + 1)]
    for _, at in told:
        activity = active(activity, local_day(at, BERLIN), BERLIN, at)
    days, run, last = {offset for offset, _ in told}, 0, 60 + more
    while last - run in days:
        run += 1
    assert activity.days_in_row == run
    assert activity.last_day == local_day(start + timedelta(days=last), BERLIN)


def test_a_day_told_late_after_a_flight_does_not_count_the_date_that_never_was() -> None:
    flown = deeds(
        ("2026-06-02T03:00:00", LOS_ANGELES),  # Monday
        ("2026-06-02T20:00:00", AUCKLAND),  # Wednesday, the day after
        ("2026-06-01T03:00:00", LOS_ANGELES),  # the Sunday before, told late
    )
    assert flown.days_in_row == 3


@given(st.lists(st.integers(0, 60), min_size=1))
def test_the_row_is_the_run_of_days_that_ends_last(offsets: list[int]) -> None:
    days = sorted(offsets)
    start = utc("2026-02-20T12:00:00")
    activity = Activity()
    for offset in days:
        at = start + timedelta(days=offset)
        activity = active(activity, local_day(at, BERLIN), BERLIN, at)
    run, last = 0, max(days)
    while last - run in days:
        run += 1
    assert activity.days_in_row == run
