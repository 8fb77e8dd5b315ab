"""What operators' programs may ask, each with an API key of that scope."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.domain.profile import Email
from transport.rest.doors import DOORS
from transport.rest.routes import Route


class FindUsers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail address; in the body, because paths stand in the logs of proxies."""

    email: Email


class Account(msgspec.Struct, frozen=True):
    """Nothing of what a person wrote."""

    user_id: str
    confirmed: bool
    devices: int
    created_at: Annotated[datetime, Meta(tz=True)] | None


class Accounts(msgspec.Struct, frozen=True):
    items: tuple[Account, ...]
    next_cursor: None = None


async def find(request: web.Request, body: FindUsers) -> Accounts:
    signin = request.app[DOORS].signin
    known = await signin.accounts.by_mail(body.email)
    if known is None:
        return Accounts(())
    devices = await signin.logins.list(known.user_id)
    return Accounts((Account(known.user_id, known.confirmed_at is not None, len(devices), known.created_at),))


ROUTES: Final = (
    Route(
        "POST",
        "/v1/admin/users/find",
        "admin.find_users",
        find,
        "The account of a mail address, for an API key with `users:read`",
        body=FindUsers,
        answer=Accounts,
        opens_to="service",
        scope="users:read",
    ),
)
