"""A user's civil days: the local date at an instant, and how many days in a row something was done."""

from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from msgspec.structs import replace

from actors.domain.profile import Activity

ONE_DAY = timedelta(days=1)


@cache
def zones() -> frozenset[str]:
    """The names of all IANA zones."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


def local_day(at: datetime, tz: str, day_start_minute: int = 0) -> date:
    """The civil date of an instant in an IANA zone, for a day that begins so many minutes after midnight.

    The shift is made on the wall clock, so that a gap or a fold of daylight saving moves no day's beginning.
    """
    if at.tzinfo is None:
        raise ValueError("a day is read from an instant with a zone")
    wall = at.astimezone(ZoneInfo(tz)).replace(tzinfo=None)
    return (wall - timedelta(minutes=day_start_minute)).date()


def active(activity: Activity, day: date, tz: str, at: datetime) -> Activity:
    """Something was done at `at`, which is `day` in zone `tz`.

    A day counts once. A day lies between the two only when the zone of the last deed and the zone of this one agree
    that it does: crossing the date line westwards skips a date that the traveller never had.
    """
    last = activity.last_day
    if last is None:
        return Activity(day, 1, at, tz)
    if day <= last:
        return replace(activity, last_at=at, last_tz=tz) if day == last else activity
    days_in_row = activity.days_in_row + 1 if _follows(activity, last, day, tz, at) else 1
    return Activity(day, days_in_row, at, tz)


def _follows(activity: Activity, last: date, day: date, tz: str, at: datetime) -> bool:
    if day - last <= ONE_DAY:
        return True
    if activity.last_at is None or activity.last_tz == tz:
        return False
    return local_day(at, activity.last_tz) - last <= ONE_DAY or day - local_day(activity.last_at, tz) <= ONE_DAY


def days_in_row(activity: Activity, today: date) -> int:
    """The days in a row that end today or yesterday; 0 when the row has ended before."""
    if activity.last_day is None or today - activity.last_day > ONE_DAY:
        return 0
    return activity.days_in_row
