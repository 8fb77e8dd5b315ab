"""Signing in over REST: register, login, refresh, logout, one's devices, and the public keys."""

from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import hdrs, web

from actors.domain.private import private
from actors.domain.profile import Email, Language, Name, Zone
from actors.ports import Page
from transport import wire
from transport.rest.asking import answer, id_in_path
from transport.rest.doors import IDENTITY
from transport.signin import Newcomer, SignedIn, SignIn
from transport.tokens import Identity

MAX_DEVICE: Final = 200
Password = Annotated[str, private(max_length=1_024)]


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Password
    name: Name
    tz: Zone = "UTC"
    language: Language = "en"


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Password


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Annotated[str, private(max_length=200)]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request that says all by its path."""


def routes(signin: SignIn) -> list[web.RouteDef]:
    """The routes of the sign-in; those that need to know who asks find `request[IDENTITY]`."""
    entry, devices = _Entry(signin), _Devices(signin)
    return [
        web.post("/v1/auth/register", entry.register),
        web.post("/v1/auth/login", entry.login),
        web.post("/v1/auth/refresh", entry.refresh),
        web.get("/.well-known/jwks.json", entry.jwks),
        web.post("/v1/auth/logout", devices.logout),
        web.post("/v1/auth/logout-all", devices.logout_all),
        web.get("/v1/auth/sessions", devices.list),
        web.delete("/v1/auth/sessions/{id}", devices.end),
    ]


class _Entry:
    """What is open to everyone."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin

    async def register(self, request: web.Request) -> web.Response:
        body = wire.read(Register, await request.read())
        newcomer = Newcomer(body.email, body.name, body.tz, body.language)
        return _tokens(await self._signin.register(newcomer, body.password, _device(request)), HTTPStatus.CREATED)

    async def login(self, request: web.Request) -> web.Response:
        body = wire.read(Login, await request.read())
        return _tokens(await self._signin.login(body.email, body.password, _device(request)))

    async def refresh(self, request: web.Request) -> web.Response:
        body = wire.read(Refresh, await request.read())
        return _tokens(await self._signin.refresh(body.refresh_token))

    async def jwks(self, _request: web.Request) -> web.Response:
        response = answer(self._signin.jwks())
        response.headers[hdrs.CACHE_CONTROL] = "public, max-age=60"
        return response


class _Devices:
    """What a signed-in person does with their devices."""

    def __init__(self, signin: SignIn) -> None:
        self._signin = signin

    async def logout(self, request: web.Request) -> web.Response:
        await _nothing(request)
        await self._signin.logout(_who(request))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def logout_all(self, request: web.Request) -> web.Response:
        await _nothing(request)
        await self._signin.logout_all(_who(request))
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def list(self, request: web.Request) -> web.Response:
        return answer(Page(await self._signin.devices(_who(request)), None))

    async def end(self, request: web.Request) -> web.Response:
        await self._signin.end(_who(request), id_in_path(request))
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _who(request: web.Request) -> Identity:
    """Who asks, as the chain before the handlers found out."""
    identity: Identity = request[IDENTITY]
    return identity


def _tokens(signed_in: SignedIn, status: int = HTTPStatus.OK) -> web.Response:
    response = answer(signed_in, status)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


async def _nothing(request: web.Request) -> None:
    wire.read(Nothing, await request.read() or b"{}")


def _device(request: web.Request) -> str:
    """What the app says it is: printable characters only, cut off."""
    said = request.headers.get(hdrs.USER_AGENT, "")
    return "".join(character for character in said if character.isprintable())[:MAX_DEVICE]
