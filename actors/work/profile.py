"""The profile: what the user says about themselves."""

from datetime import datetime

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from actors.commands import ChangeMail, ChangeProfile
from actors.domain.days import zones
from actors.domain.profile import Profile
from actors.domain.refusals import Invalid, NotFound
from actors.domain.texts import saying
from actors.events import ProfileChanged
from actors.journal.journaled import Decided, Stamp


class ProfileAnswer(msgspec.Struct, frozen=True):
    profile: Profile


def change(profile: Profile | None, command: ChangeProfile, stamp: Stamp) -> Decided:
    """Only what is given changes. Nothing new, no event. Raises NotFound before the account was opened, Invalid."""
    if profile is None:
        raise NotFound
    if command.tz is not UNSET:
        check_zone(command.tz)
    preferences = profile.preferences if command.preferences is UNSET else command.preferences
    if command.language is not UNSET:
        preferences = replace(preferences, language=command.language)
    name = profile.name if command.name is UNSET else check_name(command.name)
    event = ProfileChanged(
        name=UNSET if name == profile.name else name,
        tz=UNSET if command.tz == profile.tz else command.tz,
        preferences=UNSET if preferences == profile.preferences else preferences,
    )
    if event == ProfileChanged():
        return Decided((), ProfileAnswer(profile))
    return Decided([event], ProfileAnswer(changed(profile, event, stamp.at)))


def change_mail(profile: Profile | None, command: ChangeMail, stamp: Stamp) -> Decided:
    """Raises NotFound before the account was opened."""
    if profile is None:
        raise NotFound
    if command.email == profile.email:
        return Decided((), ProfileAnswer(profile))
    event = ProfileChanged(email=command.email)
    return Decided([event], ProfileAnswer(changed(profile, event, stamp.at)))


def changed(profile: Profile, event: ProfileChanged, at: datetime) -> Profile:
    """The profile after it was changed."""
    return replace(
        profile,
        name=profile.name if event.name is UNSET else event.name,
        email=profile.email if event.email is UNSET else event.email,
        tz=profile.tz if event.tz is UNSET else event.tz,
        preferences=profile.preferences if event.preferences is UNSET else event.preferences,
        updated_at=at,
    )


def check_zone(tz: str) -> None:
    """Raises Invalid for what is no IANA time zone."""
    if tz not in zones():
        raise Invalid(fields={"tz": "is not an IANA time zone"})


def check_name(name: str) -> str:
    """The name without the space around it. Raises Invalid when there is nothing to see in it."""
    return saying(name, "name")
