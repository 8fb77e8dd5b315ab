"""The second factor over REST: set up, asked for when signing in, and removed."""

from functools import partial
from typing import Annotated, Final

import msgspec
from aiohttp import web

from actors.domain.private import private
from actors.domain.refusals import BadCode, FactorOff, FactorOn, NotFresh, RateLimited, TokenSpent
from transport.rest.auth import caller
from transport.rest.doors import DOORS, IDENTITY, METER
from transport.rest.recovery import Token
from transport.rest.routes import Route
from transport.second_factor import Proposal, RecoveryCodes, SecondFactor
from transport.signed_in import SignedIn

Code = Annotated[str, private(min_length=6, max_length=40)]


class Confirm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code the app shows."""

    code: Code


class Prove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code the app shows, or a recovery code."""

    code: Code


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the login gave, and a code the app shows, or a recovery code."""

    challenge: Token
    code: Code


async def challenge(request: web.Request, body: Answer) -> SignedIn:
    return await _factor(request).sign_in(body.challenge, body.code, caller(request))


async def enroll(request: web.Request) -> Proposal:
    return await _factor(request).propose(request[IDENTITY])


async def confirm(request: web.Request, body: Confirm) -> RecoveryCodes:
    return await _factor(request).confirm(request[IDENTITY], body.code, request[METER])


async def recovery_codes(request: web.Request, body: Prove) -> RecoveryCodes:
    return await _factor(request).renew_codes(request[IDENTITY], body.code, request[METER])


async def disable(request: web.Request, body: Prove) -> None:
    await _factor(request).remove(request[IDENTITY], body.code, request[METER])


def _factor(request: web.Request) -> SecondFactor:
    return SecondFactor(request.app[DOORS].signin)


_own: Final = partial(Route, "POST")
_proved: Final = (NotFresh, FactorOff, BadCode, RateLimited)
ROUTES: Final = (
    _own(
        "/v1/auth/mfa/challenge",
        "auth.answer_challenge",
        challenge,
        "Sign in: the second step, for who has a second factor",
        body=Answer,
        answer=SignedIn,
        refuses=(TokenSpent, BadCode, FactorOff, RateLimited),
        opens_to="everyone",
    ),
    _own(
        "/v1/auth/mfa/totp/enroll",
        "auth.enroll_totp",
        enroll,
        "A secret for one's authenticator app, within five minutes of `reauth` for `factors`; nothing is asked for yet",
        answer=Proposal,
        refuses=(NotFresh, FactorOn),
    ),
    _own(
        "/v1/auth/mfa/totp/confirm",
        "auth.confirm_totp",
        confirm,
        "From now on signing in asks for a code; other devices are signed out, and `refresh` says that this one proved it",
        body=Confirm,
        answer=RecoveryCodes,
        refuses=(TokenSpent, BadCode, FactorOn, RateLimited),
    ),
    _own(
        "/v1/auth/mfa/totp/disable",
        "auth.disable_totp",
        disable,
        "Remove one's second factor, within five minutes of `reauth` for `factors`; one is signed out everywhere",
        body=Prove,
        refuses=_proved,
    ),
    _own(
        "/v1/auth/mfa/recovery-codes",
        "auth.renew_recovery_codes",
        recovery_codes,
        "Other recovery codes in the place of all there were, within five minutes of `reauth` for `factors`",
        body=Prove,
        answer=RecoveryCodes,
        refuses=_proved,
    ),
)
