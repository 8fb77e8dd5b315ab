"""What operators may ask: their programs each with an API key of that scope, administrators by their role."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.commands import Id
from actors.domain.profile import Email
from actors.domain.refusals import NotFound, NotFresh, TokenSpent
from actors.domain.roles import Role
from actors.ports import Granted
from transport.refusals import OwnRole
from transport.rest.asking import id_in_path
from transport.rest.doors import DOORS, IDENTITY
from transport.rest.recovery import Token
from transport.rest.routes import Route
from transport.roles import Granting


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


class SetUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token that the server printed when it first started."""

    token: Token


class GiveRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Id | None = None


class Audit(msgspec.Struct, frozen=True):
    """Newest first; `next_cursor` is null on the last page."""

    items: tuple[Granted, ...]
    next_cursor: str | None


async def find(request: web.Request, body: FindUsers) -> Accounts:
    signin = request.app[DOORS].signin
    known = await signin.accounts.by_mail(body.email)
    if known is None:
        return Accounts(())
    devices = await signin.logins.list(known.user_id)
    return Accounts((Account(known.user_id, known.confirmed_at is not None, len(devices), known.created_at),))


async def set_up(request: web.Request, body: SetUp) -> None:
    await _granting(request).set_up(request[IDENTITY], body.token)


async def give_role(request: web.Request, body: GiveRole) -> None:
    await _granting(request).grant(request[IDENTITY], id_in_path(request), body.role)


async def audit(request: web.Request, query: AuditQuery) -> Audit:
    items = await request.app[DOORS].signin.roles.granted(query.limit, query.cursor)
    return Audit(tuple(items), items[-1].id if len(items) == query.limit else None)


def _granting(request: web.Request) -> Granting:
    return Granting(request.app[DOORS].signin)


ROUTES: Final = (
    Route(
        "POST",
        "/v1/admin/setup",
        "admin.set_up",
        set_up,
        "Become the first administrator, by the token of the server's first start; signed out, one signs in as such",
        body=SetUp,
        refuses=(TokenSpent,),
    ),
    Route(
        "POST",
        "/v1/admin/users/find",
        "admin.find_users",
        find,
        "The account of a mail address, for administrators and for an API key with `users:read`",
        body=FindUsers,
        answer=Accounts,
        opens_to="service",
        scope="users:read",
        role="admin",
    ),
    Route(
        "PUT",
        "/v1/admin/users/{user_id}/role",
        "admin.give_role",
        give_role,
        "Give somebody a role, within five minutes of `reauth` for `roles`; they are signed out everywhere",
        body=GiveRole,
        refuses=(NotFound, NotFresh, OwnRole),
        role="admin",
    ),
    Route(
        "GET",
        "/v1/admin/audit",
        "admin.audit",
        audit,
        "Who was given which role by whom, and who got or lost a second factor, newest first",
        query=AuditQuery,
        answer=Audit,
        role="admin",
    ),
)
