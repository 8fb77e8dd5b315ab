"""Who comes to sign in, and what they are given."""

from datetime import datetime

import msgspec

from actors.domain.profile import Email, Language, Name, Zone
from actors.domain.roles import Role
from transport.limits import Meter


class Newcomer(msgspec.Struct, frozen=True):
    """Who wants to register, as read at the door."""

    email: Email
    name: Name
    tz: Zone
    language: Language


class Caller(msgspec.Struct, frozen=True):
    """Who asks before there is a user: what the app says it is, and what it has taken of limits."""

    device: str
    meter: Meter


class SignedIn(msgspec.Struct, frozen=True):
    """What signing in answers; `expires_in` is the seconds the access token is good for."""

    user_id: str
    session_id: str
    access_token: str
    expires_in: int
    refresh_token: str
    role: Role = "user"


class Site(msgspec.Struct, frozen=True):
    """The domain that passkeys are for, and the origins of its pages."""

    domain: str
    origins: tuple[str, ...]


class Challenge(msgspec.Struct, frozen=True):
    """The password was right, and there is a second factor: good for one sign-in, with a code, within `expires_in` s."""

    challenge: str
    expires_in: int


class Device(msgspec.Struct, frozen=True):
    """One signed-in device, as its user sees it."""

    id: str
    device: str
    created_at: datetime
    refreshed_at: datetime
    current: bool
