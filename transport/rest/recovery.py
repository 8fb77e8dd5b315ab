"""Getting back in over REST: letters with tokens, other passwords and addresses, and saying once more who one is."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import web

from actors.domain.private import private
from actors.domain.profile import Email
from actors.domain.refusals import BadCredentials, MailTaken, NoAddress, NotFresh, TokenSpent, WeakPassword
from transport.recovery import Recovery, Scope
from transport.rest.auth import OnItsWay, Password, caller
from transport.rest.doors import DOORS, IDENTITY, METER
from transport.rest.routes import Route

Token = Annotated[str, private(max_length=100)]


class Verify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Token


class Resend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class Forgot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Token
    password: Password


class ChangePassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`current_password` may be left out within five minutes of `reauth` for `password`."""

    password: Password
    current_password: Password | None = None


class ChangeEmail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`current_password` may be left out within five minutes of `reauth` for `email`."""

    email: Email
    current_password: Password | None = None


class Reauth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    password: Password
    scope: Scope


async def verify(request: web.Request, body: Verify) -> None:
    await _recovery(request).verify(body.token)


async def resend(request: web.Request, body: Resend) -> OnItsWay:
    await _recovery(request).resend(body.email, request[METER])
    return OnItsWay()


async def forgot(request: web.Request, body: Forgot) -> OnItsWay:
    await _recovery(request).forgot(body.email, request[METER])
    return OnItsWay()


async def reset(request: web.Request, body: Reset) -> None:
    await _recovery(request).reset(body.token, body.password, caller(request))


async def change_password(request: web.Request, body: ChangePassword) -> None:
    await _recovery(request).change_password(request[IDENTITY], body.current_password, body.password, caller(request))


async def change_email(request: web.Request, body: ChangeEmail) -> OnItsWay:
    await _recovery(request).change_email(request[IDENTITY], body.email, body.current_password, caller(request))
    return OnItsWay()


async def reauth(request: web.Request, body: Reauth) -> None:
    await _recovery(request).reauth(request[IDENTITY], body.password, body.scope, request[METER])


def _recovery(request: web.Request) -> Recovery:
    return Recovery(request.app[DOORS].signin)


_open: Final = partial(Route, "POST", opens_to="everyone")
_own: Final = partial(Route, "POST")
_proved: Final = (NotFresh, BadCredentials)
ROUTES: Final = (
    _open(
        "/v1/auth/email/verify",
        "auth.verify_email",
        verify,
        "Confirm a mail address by the token sent to it; a newcomer's account opens, and they log in",
        body=Verify,
        refuses=(TokenSpent, MailTaken),
    ),
    _open(
        "/v1/auth/email/resend",
        "auth.resend_email",
        resend,
        "Have the token that confirms a mail address sent once more, if it waits for that",
        body=Resend,
        refuses=(NoAddress,),
        answer=OnItsWay,
        status=HTTPStatus.ACCEPTED,
    ),
    _open(
        "/v1/auth/password/forgot",
        "auth.forgot_password",
        forgot,
        "Have a token for another password sent by mail, if there is such an account",
        body=Forgot,
        answer=OnItsWay,
        status=HTTPStatus.ACCEPTED,
    ),
    _open(
        "/v1/auth/password/reset",
        "auth.reset_password",
        reset,
        "Set another password by the token; every device is signed out",
        body=Reset,
        refuses=(TokenSpent, WeakPassword),
    ),
    _own(
        "/v1/auth/password/change",
        "auth.change_password",
        change_password,
        "Change one's password; other devices are signed out",
        body=ChangePassword,
        refuses=(*_proved, WeakPassword),
    ),
    _own(
        "/v1/auth/email/change",
        "auth.change_email",
        change_email,
        "Have a token sent to another mail address, which confirms it as one's own",
        body=ChangeEmail,
        refuses=(*_proved, NoAddress),
        answer=OnItsWay,
        status=HTTPStatus.ACCEPTED,
    ),
    _own(
        "/v1/auth/reauth",
        "auth.reauth",
        reauth,
        "Prove once more who one is, to do one thing within five minutes",
        body=Reauth,
        refuses=(BadCredentials,),
    ),
)
