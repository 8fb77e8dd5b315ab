"""Whether somebody is there, who may know, and since when they are not."""

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from actors.domain.profile import Privacy

State = Literal["online", "away", "offline"]
"""`away`: all of their devices say so, or the last one went a moment ago."""
Audience = Literal["nobody", "connections", "everybody"]
GRAIN: Final = timedelta(minutes=5)
"""When somebody was last seen is told no finer than this."""
MOST: Final = 1_000
"""People asked for at once."""


class Presence(msgspec.Struct, frozen=True):
    """`last_seen_at` is there for somebody who is offline, in steps of five minutes; null if that is not known."""

    user_id: str
    state: State
    last_seen_at: Annotated[datetime, Meta(tz=True)] | None = None


class Standing(msgspec.Struct, frozen=True):
    """How it is with one user, before it is decided who may know. `seen_at`: when a device of theirs was last there."""

    state: State
    audience: Audience
    seen_at: datetime | None


def audience(privacy: Privacy) -> Audience:
    """Whoever may see the profile may see whether its owner is there, unless they hide that from all."""
    if not privacy.presence or privacy.profile == "private":
        return "nobody"
    return "everybody" if privacy.profile == "public" else "connections"


def may_see(asker: str, user_id: str, to: Audience) -> bool:
    """Everybody knows it of themselves. Nobody is connected with anybody yet."""
    return asker == user_id or to == "everybody"


def presence(user_id: str, standing: Standing) -> Presence:
    """As others are told."""
    last = standing.seen_at if standing.state == "offline" else None
    return Presence(user_id, standing.state, None if last is None else coarse(last))


def asleep(to: Audience, seen_at: datetime | None, now: datetime, lease: timedelta) -> Standing:
    """How it is with somebody whose session is not awake: they may have been here until a moment ago."""
    recent = seen_at is not None and now - seen_at < lease
    return Standing("away" if recent else "offline", to, seen_at)


def coarse(at: datetime) -> datetime:
    """Rounded down to the grain, which divides an hour."""
    minutes = at.minute - at.minute % (GRAIN.seconds // 60)
    return at.replace(minute=minutes, second=0, microsecond=0)
