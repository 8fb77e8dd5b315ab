"""Signing in over REST: register, login, refresh, logout, one's devices, and the public keys."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import hdrs, web

from actors.domain.private import private
from actors.domain.profile import Email, Language, Name, Zone
from actors.domain.refusals import (
    BadCredentials,
    MailTaken,
    NoAddress,
    NotFound,
    RateLimited,
    Revoked,
    Unauthenticated,
    WeakPassword,
)
from transport.asking import DeviceId
from transport.rest.asking import answer, id_in_path
from transport.rest.doors import DOORS, IDENTITY, METER
from transport.rest.routes import Route
from transport.signed_in import Caller, Challenge, Device, Newcomer, SignedIn
from transport.signin import SignIn
from transport.tickets import Ticket, Tickets

MAX_DEVICE: Final = 200
Password = Annotated[str, private(max_length=1_024)]


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Password
    name: Name
    tz: Zone = "UTC"
    language: Language = "en"


class OnItsWay(msgspec.Struct, frozen=True):
    """The same, whether or not there is anybody to write to."""

    letter: Literal["on_its_way"] = "on_its_way"


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Password


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Annotated[str, private(max_length=200)]


class AskTicket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`device_id` is what the socket will say it is."""

    device_id: DeviceId


class Devices(msgspec.Struct, frozen=True):
    """Newest first; all there are."""

    items: tuple[Device, ...]
    next_cursor: None = None


class Jwks(msgspec.Struct, frozen=True):
    """The public keys that access tokens are signed with (RFC 7517)."""

    keys: tuple[dict[str, Any], ...]


# ── open to everyone ─────────────────────────────────────────────────────────────────────────────────────────────


async def register(request: web.Request, body: Register) -> SignedIn | web.Response:
    newcomer = Newcomer(body.email, body.name, body.tz, body.language)
    signed_in = await _signin(request).register(newcomer, body.password, caller(request))
    return answer(OnItsWay(), HTTPStatus.ACCEPTED) if signed_in is None else signed_in


async def login(request: web.Request, body: Login) -> SignedIn | web.Response:
    given = await _signin(request).login(body.email, body.password, caller(request))
    return answer(given, HTTPStatus.ACCEPTED) if isinstance(given, Challenge) else given


async def refresh(request: web.Request, body: Refresh) -> SignedIn:
    return await _signin(request).refresh(body.refresh_token)


async def jwks(request: web.Request) -> web.Response:
    response = answer(_signin(request).jwks())
    response.headers[hdrs.CACHE_CONTROL] = "public, max-age=60"
    return response


# ── what a signed-in person does with their devices ──────────────────────────────────────────────────────────────


async def logout(request: web.Request) -> None:
    await _signin(request).logout(request[IDENTITY])


async def logout_all(request: web.Request) -> None:
    await _signin(request).logout_all(request[IDENTITY])


async def list_(request: web.Request) -> Devices:
    return Devices(tuple(await _signin(request).devices(request[IDENTITY])))


async def end(request: web.Request) -> None:
    await _signin(request).end(request[IDENTITY], id_in_path(request))


async def ticket(request: web.Request, body: AskTicket) -> Ticket:
    signin = _signin(request)
    return await Tickets(signin.proving, signin.bearers).issue(request[IDENTITY], body.device_id)


def _signin(request: web.Request) -> SignIn:
    return request.app[DOORS].signin


def caller(request: web.Request) -> Caller:
    """With what the app says it is: printable characters only, cut off."""
    said = request.headers.get(hdrs.USER_AGENT, "")
    return Caller("".join(character for character in said if character.isprintable())[:MAX_DEVICE], request[METER])


_open: Final = partial(Route, opens_to="everyone")
ROUTES: Final = (
    _open(
        "POST",
        "/v1/auth/register",
        "auth.register",
        register,
        "Open an account and sign in",
        body=Register,
        answer=SignedIn,
        status=HTTPStatus.CREATED,
        also={HTTPStatus.ACCEPTED: OnItsWay},
        refuses=(MailTaken, NoAddress, WeakPassword, RateLimited),
    ),
    _open(
        "POST",
        "/v1/auth/login",
        "auth.login",
        login,
        "Sign in; with a second factor, 202 and a challenge to answer at /v1/auth/mfa/challenge",
        body=Login,
        answer=SignedIn,
        also={HTTPStatus.ACCEPTED: Challenge},
        refuses=(BadCredentials, RateLimited),
    ),
    _open(
        "POST",
        "/v1/auth/refresh",
        "auth.refresh",
        refresh,
        "The next tokens of a sign-in",
        body=Refresh,
        answer=SignedIn,
        refuses=(Unauthenticated, Revoked),
    ),
    _open("GET", "/.well-known/jwks.json", "auth.keys", jwks, "The public keys of access tokens", answer=Jwks),
    Route("POST", "/v1/auth/logout", "auth.logout", logout, "End this sign-in"),
    Route("POST", "/v1/auth/logout-all", "auth.logout_all", logout_all, "End all of one's sign-ins"),
    Route("GET", "/v1/auth/sessions", "auth.sessions", list_, "One's signed-in devices", answer=Devices),
    Route(
        "DELETE",
        "/v1/auth/sessions/{session_id}",
        "auth.end_session",
        end,
        "Sign out one of one's devices",
        refuses=(NotFound,),
    ),
    Route(
        "POST",
        "/v1/auth/ticket",
        "auth.ticket",
        ticket,
        "A ticket to connect a socket with, once and soon, in the place of the access token",
        body=AskTicket,
        answer=Ticket,
    ),
)
