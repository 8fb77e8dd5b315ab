"""A user's civil days: the local date at an instant, and how many days in a row something was done."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from msgspec.structs import replace

from actors.domain.profile import Activity
from actors.domain.refusals import Invalid
from actors.journal.orders import Stamp

ONE_DAY = timedelta(days=1)
OLDEST = timedelta(days=30)
"""How long ago something may have been done that is told only now."""
REMEMBERED = OLDEST.days + 2
"""How many of the newest days are known one by one."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""How far a device's clock may run ahead; what it did in that time was done now."""


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


def believed(stamp: Stamp) -> Stamp:
    """The stamp of an order whose author says when they did it: not in the future, not long ago. Raises Invalid."""
    at = stamp.occurred_at
    if at is None:
        return stamp
    if not stamp.at - OLDEST <= at <= stamp.at + CLOCKS_DIFFER:
        raise Invalid(fields={"occurred_at": f"must lie within the last {OLDEST.days} days"})
    return replace(stamp, occurred_at=min(at, stamp.at))


def active(activity: Activity, day: date, tz: str, at: datetime) -> Activity:
    """Something was done at `at`, which is `day` in zone `tz`."""
    now = _lived(activity, day, tz, at)
    if now.last_day != activity.last_day:
        return replace(now, deeds=1, before=replace(activity, deeds=0, before=None))
    if day == now.last_day:
        return replace(now, deeds=now.deeds + 1)
    return now if now.before is None else replace(now, before=_lived(now.before, day, tz, at))


def taken_back(activity: Activity, day: date) -> Activity:
    """One deed of that day was none. Only the last day goes with it, and only if nothing else was done on it."""
    if day != activity.last_day or activity.before is None:
        return activity
    return replace(activity, deeds=activity.deeds - 1) if activity.deeds > 1 else activity.before


def _lived(activity: Activity, day: date, tz: str, at: datetime) -> Activity:
    """The days with this deed among them.

    A day counts once. A day lies between the two only when the zone of the last deed and the zone of this one agree
    that it does: crossing the date line westwards skips a date that the traveller never had. What was done before the
    last deed may be told after it: then the day counts where it lies.
    """
    last = activity.last_day
    if last is None or activity.last_at is None:
        return _counted(Activity(day, 1, at, tz, done=1))
    if at < activity.last_at:
        ago = (last - day).days
        return _counted(replace(activity, done=activity.done | 1 << ago)) if 0 < ago < REMEMBERED else activity
    if day <= last:
        return replace(activity, last_at=at, last_tz=tz) if day == last else activity
    between = (day - last).days - 1
    moved = _shifted(activity, between + 1)
    skipped = (1 << between) - 1 << 1 if _follows(activity, last, day, tz, at) else 0
    now = replace(moved, last_day=day, last_at=at, last_tz=tz, done=moved.done | 1, skipped=moved.skipped | skipped)
    return _counted(now)


def days_in_row(activity: Activity, today: date, tz: str) -> int:
    """The days in a row that end today or yesterday; 0 when the row has ended before.

    Who is in another zone than when something was last done has until the end of this day to go on.
    """
    last = activity.last_day
    if last is None:
        return 0
    moved = tz != activity.last_tz and today - last == 2 * ONE_DAY
    return activity.days_in_row if moved or _adjoin(last, today, tz) else 0


def _shifted(activity: Activity, days: int) -> Activity:
    """The bits so many days later; what leaves them is counted in `beyond`, as long as it is one row of days."""
    done, skipped, beyond = activity.done, activity.skipped, activity.beyond
    oldest = 1 << REMEMBERED - 1
    for _ in range(min(days, REMEMBERED + 1)):
        if done & oldest:
            beyond += 1
        elif not skipped & oldest:
            beyond = 0
        done, skipped = (done & ~oldest) << 1, (skipped & ~oldest) << 1
    return replace(activity, done=done, skipped=skipped, beyond=beyond)


def _counted(activity: Activity) -> Activity:
    """The days in a row that end with the last one."""
    row = 0
    while row < REMEMBERED and (activity.done | activity.skipped) >> row & 1:
        row += 1
    days = (activity.done & (1 << row) - 1).bit_count()
    return replace(activity, days_in_row=days + (activity.beyond if row == REMEMBERED else 0))


def _follows(activity: Activity, last: date, day: date, tz: str, at: datetime) -> bool:
    if _adjoin(last, day, tz):
        return True
    if activity.last_at is None or activity.last_tz == tz:
        return False
    there = local_day(at, activity.last_tz)
    here = local_day(activity.last_at, tz)
    return _adjoin(last, there, activity.last_tz) or _adjoin(here, day, tz)


def _adjoin(first: date, second: date, tz: str) -> bool:
    """Whether no day of the zone lies between: zones that crossed the date line have a date that never was."""
    between = first + ONE_DAY
    return second <= between or (second == between + ONE_DAY and not _exists(between, tz))


def _exists(day: date, tz: str) -> bool:
    zone = ZoneInfo(tz)
    noon = datetime.combine(day, time(12), zone)
    return noon.astimezone(UTC).astimezone(zone).date() == day
