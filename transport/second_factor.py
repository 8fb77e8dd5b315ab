"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for who has lost it."""

import base64
import dataclasses
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import pyotp
import segno

from actors.domain.refusals import BadCode, FactorOff, FactorOn, TokenSpent
from actors.ports import Factor, Factors, RecoveryCode, Take
from transport.attempts import evenly
from transport.limits import Meter
from transport.proving import digest
from transport.recovery import Recovery
from transport.signed_in import Caller, SignedIn
from transport.signin import CHALLENGE, EVEN, SignIn
from transport.tokens import Identity

STEP: Final = 30
DRIFT: Final = 1
"""Clocks may be so many steps apart (RFC 6238, section 5.2)."""
PROPOSAL: Final = "factor"
PROPOSED: Final = timedelta(minutes=10)
CODES: Final = 10
_ISSUER: Final = "LifeBuddy"
_NAME: Final = 4
"""So many letters of a recovery code say which one it is; the other twelve, 60 bits, are hashed."""


class Proposal(msgspec.Struct, frozen=True):
    """What an authenticator app is to be shown, in three forms; `qr` is an SVG image of `uri`."""

    secret: str
    uri: str
    qr: str


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Shown this once. Each signs in once in the place of a code, should the app be lost."""

    recovery_codes: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class SecondFactor:
    """Beside the sign-in, whose parts it uses."""

    signin: SignIn

    @property
    def _factors(self) -> Factors:
        return self.signin.factors

    @property
    def _recovery(self) -> Recovery:
        return Recovery(self.signin)

    async def propose(self, identity: Identity) -> Proposal:
        """A fresh secret; it counts from when a code of it has confirmed it. Raises NotFresh, FactorOn."""
        await self._recovery.require_fresh(identity, "factors")
        credential = await self._recovery.own(identity)
        if await self._factors.get(identity.user_id) is not None:
            raise FactorOn
        secret, whose = pyotp.random_base32(), identity.user_id
        await self.signin.proving.issue(PROPOSAL, whose, whose, PROPOSED, {"secret": secret})
        uri = pyotp.TOTP(secret).provisioning_uri(name=credential.email, issuer_name=_ISSUER)
        return Proposal(secret, uri, segno.make(uri).svg_inline(scale=4))

    async def confirm(self, identity: Identity, code: str, meter: Meter) -> RecoveryCodes:
        """From now on it is asked for; this device has proved it, all others are signed out.

        Cut short in between, it stands, and whoever has not seen the recovery codes asks for others. Raises TokenSpent,
        BadCode, FactorOn, RateLimited, Overloaded, Unavailable.
        """
        whose, now = identity.user_id, self.signin.timers.now()
        proposal = await self.signin.proving.waiting(PROPOSAL, whose)
        if proposal is None:
            raise TokenSpent
        attempt = await _Attempt.begin(whose, meter)
        step = step_of(proposal.fields["secret"], code, now, after=-1)
        if step is None:
            raise BadCode
        shown, kept = await self._fresh_codes()
        if not await self._factors.add(whose, Factor(proposal.fields["secret"], step, kept), now):
            raise FactorOn
        await attempt.succeeded()
        await self.signin.logins.prove(identity.session_id, now)
        await self.signin.end_all(whose, keep=identity.session_id)
        await self._recovery.tell("factor_on", await self._recovery.own(identity))
        return RecoveryCodes(shown)

    async def sign_in(self, challenge: str, code: str, caller: Caller) -> SignedIn:
        """The second step of a login. Raises TokenSpent, BadCode, RateLimited, Overloaded, Unavailable."""
        proof = await self.signin.proving.look(challenge, CHALLENGE)
        credential = await self.signin.accounts.of_user(proof.owner)
        if credential is None or digest(credential.password_hash) != proof.fields["password"]:  # changed since
            raise TokenSpent
        left = await self._prove(proof.owner, code, caller.meter)
        if left is not None:  # told first: cut short after this, the code is gone all the same
            await self._recovery.tell("recovery_code", credential, left=str(left))
        await self.signin.proving.complete(challenge, CHALLENGE)
        return await self.signin.begin(proof.owner, caller.device, factor_at=self.signin.timers.now())

    async def renew_codes(self, identity: Identity, code: str, meter: Meter) -> RecoveryCodes:
        """Others in the place of those there were. Raises NotFresh, FactorOff, BadCode, RateLimited, …"""
        await self._recovery.require_fresh(identity, "factors")
        left = await self._prove(identity.user_id, code, meter)
        shown, kept = await self._fresh_codes()
        if not await self._factors.recode(identity.user_id, kept):
            raise FactorOff
        if left is not None:
            await self._recovery.tell("recovery_code", await self._recovery.own(identity), left=str(len(kept)))
        return RecoveryCodes(shown)

    async def remove(self, identity: Identity, code: str, meter: Meter) -> None:
        """By the password anew and a code; signed out everywhere, since tokens say that it was proved.

        Raises NotFresh, FactorOff, BadCode, RateLimited, Unavailable.
        """
        await self._recovery.require_fresh(identity, "factors")
        await self._prove(identity.user_id, code, meter)
        credential = await self._recovery.own(identity)
        await self.signin.end_all(identity.user_id)  # first: cut short, the factor is still there to sign in with
        await self._factors.remove(identity.user_id, identity.user_id, self.signin.timers.now())
        await self._recovery.tell("factor_off", credential)

    async def _prove(self, user_id: str, code: str, meter: Meter) -> int | None:
        """How many recovery codes are left, if it was one of them. Raises FactorOff, BadCode, RateLimited, …"""
        factor = await self._factors.get(user_id)
        if factor is None:
            raise FactorOff
        attempt = await _Attempt.begin(user_id, meter)
        async with evenly(EVEN):
            left = await self._spend(user_id, factor, code)
        await attempt.succeeded()
        return left

    async def _spend(self, user_id: str, factor: Factor, code: str) -> int | None:
        """It was good until now; nobody else is told so of the same code. Raises BadCode."""
        if len(code) == pyotp.TOTP(factor.secret).digits:
            step = step_of(factor.secret, code, self.signin.timers.now(), after=factor.last_step)
            if step is None or not await self._factors.advance(user_id, step):
                raise BadCode
            return None
        name, rest = _split(code)
        known = next((one.hash for one in factor.codes if one.name == name), None)
        right = await self.signin.passwords.verify(known, rest)
        left = await self._factors.spend(user_id, name) if right else None
        if left is None:
            raise BadCode
        return left

    async def _fresh_codes(self) -> tuple[Sequence[str], Sequence[RecoveryCode]]:
        """As they are shown, and as they are kept."""
        shown = [_written(secrets.token_bytes(10)) for _ in range(CODES)]
        split = [_split(code) for code in shown]
        return shown, [RecoveryCode(name, await self.signin.passwords.hash(rest)) for name, rest in split]


@dataclasses.dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt at a second factor, counted as a failure. An address it was proved from has a count of its own: who
    knows the password and guesses codes can't keep its owner out.
    """

    meter: Meter
    failure: Take
    here: str

    @classmethod
    async def begin(cls, user_id: str, meter: Meter) -> "_Attempt":
        """Raises RateLimited."""
        whose = f"factor/{user_id}"
        here = f"{whose}\n{meter.network}"
        failure = Take(meter.gate.limits.factor, here if await meter.gate.remembers(here) else whose)
        await meter.pass_(failure)
        return cls(meter, failure, here)

    async def succeeded(self) -> None:
        await self.meter.gate.give_back(self.failure)
        await self.meter.gate.remember(self.here)


def step_of(secret: str, code: str, at: datetime, *, after: int) -> int | None:
    """Which step around now the code is of, if that comes after the one whose code was used last."""
    totp, now = pyotp.TOTP(secret, interval=STEP), int(at.timestamp()) // STEP
    near = range(now - DRIFT, now + DRIFT + 1)
    found = [step for step in near if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())]
    return next((step for step in found if step > after), None)


def _written(octets: bytes) -> str:
    """`abcd-efgh-ijkl-mnop`: 80 bits."""
    letters = base64.b32encode(octets).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _split(code: str) -> tuple[str, str]:
    """Its name and what is kept secret of it, however it was typed."""
    letters = "".join(character for character in code.lower() if character.isalnum())
    return letters[:_NAME], letters[_NAME:]
