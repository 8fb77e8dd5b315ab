"""Who may know whether somebody is there, and how exactly."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.presence import GRAIN, Audience, Presence, Standing, asleep, audience, coarse, may_see, presence
from actors.domain.profile import Privacy

NOW = datetime(2026, 3, 1, 12, 34, 56, 789_000, tzinfo=UTC)
LEASE = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("privacy", "to"),
    [
        (Privacy(), "nobody"),
        (Privacy("connections"), "connections"),
        (Privacy("public"), "everybody"),
        (Privacy("public", presence=False), "nobody"),
        (Privacy("connections", presence=False), "nobody"),
    ],
)
def test_it_is_shown_to_whom_the_profile_is_unless_it_is_hidden(privacy: Privacy, to: Audience) -> None:
    assert audience(privacy) == to
    assert may_see("eve", "ann", to) == (to == "everybody")
    assert may_see("ann", "ann", to)


@given(st.datetimes(timezones=st.just(UTC)))
def test_last_seen_is_never_later_and_at_most_a_grain_earlier(at: datetime) -> None:
    assert timedelta() <= at - coarse(at) < GRAIN
    assert coarse(coarse(at)) == coarse(at)


def test_only_who_is_offline_was_last_seen() -> None:
    away = asleep("everybody", NOW - timedelta(seconds=29), NOW, LEASE)
    gone = asleep("everybody", NOW - timedelta(seconds=30), NOW, LEASE)
    assert presence("ann", away) == Presence("ann", "away", None)
    assert presence("ann", gone) == Presence("ann", "offline", datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    assert presence("ann", Standing("online", "everybody", NOW)) == Presence("ann", "online", None)
    assert presence("ann", asleep("everybody", None, NOW, LEASE)) == Presence("ann", "offline", None)
