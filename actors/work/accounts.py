"""Accounts: the first command of every session."""

from datetime import datetime

from actors.commands import OpenAccount
from actors.domain.life_areas import AREAS
from actors.domain.profile import Preferences, Profile
from actors.domain.refusals import Conflict
from actors.events import AccountOpened
from actors.journal.journaled import Decided, Stamp
from actors.work.profile import ProfileAnswer, check_name, check_zone


def open_account(profile: Profile | None, command: OpenAccount, stamp: Stamp) -> Decided:
    """Raises Conflict when the account is open already, Invalid."""
    if profile is not None:
        raise Conflict
    check_zone(command.tz)
    event = AccountOpened(
        user_id=command.user_id,
        email=command.email,
        name=check_name(command.name),
        tz=command.tz,
        language=command.language,
    )
    return Decided([event], ProfileAnswer(opened(event, stamp.at)))


def opened(event: AccountOpened, at: datetime) -> Profile:
    """The profile a new account begins with."""
    return Profile(
        user_id=event.user_id,
        email=event.email,
        name=event.name,
        tz=event.tz,
        preferences=Preferences(language=event.language),
        life_areas=dict.fromkeys(AREAS),
        created_at=at,
        updated_at=at,
    )
