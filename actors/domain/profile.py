"""Who the user is to LifeBuddy: name, zone, language, preferences, and the sums of what they have reached."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from actors.domain.life_areas import Area
from actors.domain.private import private

Name = Annotated[str, private(min_length=1, max_length=100)]
Email = Annotated[str, private(min_length=3, max_length=254)]
Zone = Annotated[str, Meta(min_length=1, max_length=64)]
"""An IANA time zone name; that it exists is checked where a command is decided."""
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]


class Privacy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    profile: Literal["private", "connections", "public"] = "private"
    presence: bool = True
    read_receipts: bool = True


class Notifications(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    in_app: bool = True
    push: bool = True
    mail: bool = True


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    notifications: Notifications = Notifications()
    theme: Literal["system", "light", "dark"] = "system"
    language: Language = "en"
    privacy: Privacy = Privacy()
    tone: Literal["warm", "direct", "playful"] = "warm"


class Stats(msgspec.Struct, frozen=True):
    """Sums a user sees: goals ever completed less reopened, days in a row, effort-weighted mean progress 0-100."""

    goals_completed: int = 0
    streak_days: int = 0
    total_progress: float = 0.0


class Activity(msgspec.Struct, frozen=True):
    """What the streak is counted from: the user's last local day with something done, and the days in a row then.

    `last_at` and `last_tz` are the instant and the zone that day was read from: travellers need them. Days may be told
    late: `done` has a bit for each of the newest days, the last one lowest, `skipped` for those a traveller never had;
    `beyond` is how many days in a row ended right before them. `deeds` were done on the last day, and `before` is how it
    was without them.
    """

    last_day: date | None = None
    days_in_row: int = 0
    last_at: Annotated[datetime, Meta(tz=True)] | None = None
    last_tz: str = "UTC"
    done: int = 0
    skipped: int = 0
    beyond: int = 0
    deeds: int = 0
    before: "Activity | None" = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The user's own view of themselves, as `GET /v1/me` answers it."""

    user_id: str
    email: Email
    name: Name
    tz: Zone = "UTC"
    preferences: Preferences = Preferences()
    life_areas: dict[Area, float | None] = {}
    stats: Stats = Stats()
    created_at: Annotated[datetime, Meta(tz=True)]
    updated_at: Annotated[datetime, Meta(tz=True)]
