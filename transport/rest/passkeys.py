"""Passkeys over REST: made, signed in with, listed and removed."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web

from actors.domain.private import private
from actors.domain.refusals import (
    BadPasskey,
    NotFound,
    NotFresh,
    PasskeyKnown,
    RateLimited,
    TokenSpent,
    TooManyPasskeys,
)
from transport.passkeys import Options, OwnPasskey, PasskeySignIn
from transport.rest.asking import id_in_path
from transport.rest.auth import caller
from transport.rest.doors import DOORS, IDENTITY, METER
from transport.rest.routes import Route
from transport.signed_in import SignedIn

Octets = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+$"), private(min_length=1, max_length=16_384)]
"""Base64url without padding."""
Name = Annotated[str, private(min_length=1, max_length=80)]


class AttestationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """`AuthenticatorAttestationResponseJSON`: as much of it as is looked at."""

    client_data: Octets = msgspec.field(name="clientDataJSON")
    attestation_object: Octets


class AssertionResponse(msgspec.Struct, frozen=True, rename="camel"):
    """`AuthenticatorAssertionResponseJSON`."""

    client_data: Octets = msgspec.field(name="clientDataJSON")
    authenticator_data: Octets
    signature: Octets
    user_handle: Octets


class RegistrationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """`RegistrationResponseJSON` (WebAuthn Level 3): `toJSON()` of what `navigator.credentials.create` gives."""

    id: Octets
    raw_id: Octets
    response: AttestationResponse
    type: Literal["public-key"]


class AuthenticationResponse(msgspec.Struct, frozen=True, rename="camel"):
    """`AuthenticationResponseJSON` (WebAuthn Level 3): `toJSON()` of what `navigator.credentials.get` gives."""

    id: Octets
    raw_id: Octets
    response: AssertionResponse
    type: Literal["public-key"]


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name` is what its owner calls it."""

    credential: RegistrationResponse
    name: Name


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    credential: AuthenticationResponse


class Passkeys(msgspec.Struct, frozen=True):
    """Oldest first; all there are."""

    items: tuple[OwnPasskey, ...]
    next_cursor: None = None


async def register_options(request: web.Request) -> Options:
    return await _passkeys(request).propose(request[IDENTITY])


async def register(request: web.Request, body: Register) -> OwnPasskey:
    return await _passkeys(request).add(request[IDENTITY], _plain(body.credential), body.name)


async def login_options(request: web.Request) -> Options:
    return await _passkeys(request).ask(request[METER])


async def login(request: web.Request, body: Login) -> SignedIn:
    return await _passkeys(request).sign_in(_plain(body.credential), caller(request))


async def list_(request: web.Request) -> Passkeys:
    return Passkeys(tuple(await _passkeys(request).mine(request[IDENTITY])))


async def remove(request: web.Request) -> None:
    await _passkeys(request).remove(request[IDENTITY], id_in_path(request))


def _passkeys(request: web.Request) -> PasskeySignIn:
    return PasskeySignIn(request.app[DOORS].signin)


def _plain(answer: msgspec.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(answer)
    return plain


_open: Final = partial(Route, "POST", opens_to="everyone")
ROUTES: Final = (
    Route(
        "POST",
        "/v1/auth/passkeys/register/options",
        "auth.passkey_to_register",
        register_options,
        "What an authenticator makes a passkey for, within five minutes of `reauth` for `factors`",
        answer=Options,
        refuses=(NotFresh, TooManyPasskeys),
    ),
    Route(
        "POST",
        "/v1/auth/passkeys/register/verify",
        "auth.register_passkey",
        register,
        "Have a passkey sign in from now on",
        body=Register,
        answer=OwnPasskey,
        status=HTTPStatus.CREATED,
        refuses=(TokenSpent, BadPasskey, PasskeyKnown),
    ),
    _open(
        "/v1/auth/passkeys/login/options",
        "auth.passkey_to_login",
        login_options,
        "What an authenticator signs with a passkey, whosever it is",
        answer=Options,
        refuses=(RateLimited,),
    ),
    _open(
        "/v1/auth/passkeys/login/verify",
        "auth.login_with_passkey",
        login,
        "Sign in with a passkey: no password and no second step, since it is both factors",
        body=Login,
        answer=SignedIn,
        refuses=(TokenSpent, BadPasskey),
    ),
    Route("GET", "/v1/auth/passkeys", "auth.passkeys", list_, "One's passkeys", answer=Passkeys),
    Route(
        "DELETE",
        "/v1/auth/passkeys/{passkey_id}",
        "auth.remove_passkey",
        remove,
        "Remove one of one's passkeys, within five minutes of `reauth` for `factors`; devices signed in with it are signed out",
        refuses=(NotFound, NotFresh),
    ),
)
