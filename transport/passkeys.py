"""Passkeys (WebAuthn): a key pair in somebody's authenticator, which recognises them before it signs: two factors in one."""

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import msgspec

from actors.domain.refusals import BadPasskey, NotFound, PasskeyKnown, TokenSpent, TooManyPasskeys
from actors.ports import Passkey
from actors.runtime.ids import derived, uuid7
from transport.attempts import evenly
from transport.limits import Meter
from transport.recovery import Recovery
from transport.signed_in import Caller, SignedIn
from transport.signin import EVEN, NEWCOMERS, SignIn
from transport.tokens import Identity

if TYPE_CHECKING:
    from transport.relying_party import RelyingParty

MAKE: Final = "passkey-make"
SIGN: Final = "passkey-sign"
"""The kinds of challenges: a token each, good for one answer."""
ANSWERED: Final = timedelta(minutes=5)
MOST: Final = 30

Answer = Mapping[str, Any]
"""`PublicKeyCredential.toJSON()` of a browser."""


class Options(msgspec.Struct, frozen=True):
    """`public_key` is what `navigator.credentials` takes, as `parseCreationOptionsFromJSON` or
    `parseRequestOptionsFromJSON` reads it; its challenge is good for one answer, within `expires_in` s.
    """

    public_key: dict[str, Any]
    expires_in: int = int(ANSWERED.total_seconds())


class OwnPasskey(msgspec.Struct, frozen=True):
    """As its owner sees it. `synced`: it is on all their devices of one maker, not in one device alone."""

    id: str
    name: str
    synced: bool
    created_at: datetime
    used_at: datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class PasskeySignIn:
    """Beside the sign-in, whose parts it uses."""

    signin: SignIn

    async def propose(self, identity: Identity) -> Options:
        """What an authenticator makes a key for. Raises NotFresh, TooManyPasskeys, Unavailable."""
        recovery, whose = Recovery(self.signin), identity.user_id
        await recovery.require_fresh(identity, "factors")
        credential = await recovery.own(identity)
        known = [one.credential for one in await self.signin.passkeys.list(whose)]
        if len(known) >= MOST:
            raise TooManyPasskeys
        party, fields = await self._party(), {"session": identity.session_id}
        challenge = await self.signin.proving.issue(MAKE, whose, whose, ANSWERED, fields)
        return Options(party.creation(challenge, whose, credential.email, known))

    async def add(self, identity: Identity, answer: Answer, name: str) -> OwnPasskey:
        """From now on it signs in. Raises TokenSpent, BadPasskey, PasskeyKnown, Unavailable."""
        party, now = await self._party(), self.signin.timers.now()
        challenge = party.challenge(answer)
        proof = await self.signin.proving.complete(challenge, MAKE)
        if (proof.owner, proof.fields["session"]) != (identity.user_id, identity.session_id):
            raise TokenSpent
        made = party.made(answer, challenge)
        passkey = Passkey(
            id=_id(made.credential),
            user_id=identity.user_id,
            name=name,
            credential=made.credential,
            key=made.key,
            counter=made.counter,
            synced=made.synced,
            created_at=now,
        )
        if not await self.signin.passkeys.add(passkey):
            raise PasskeyKnown
        await self._tell("passkey_added", identity)
        return _shown(passkey)

    async def ask(self, meter: Meter) -> Options:
        """What an authenticator signs, whoever is before it. Raises RateLimited, Unavailable."""
        await meter.pass_(*meter.by_address(meter.gate.limits.login))
        party, subject = await self._party(), uuid7(self.signin.timers.now())
        return Options(party.request(await self.signin.proving.issue(SIGN, subject, NEWCOMERS, ANSWERED, {})))

    async def sign_in(self, answer: Answer, caller: Caller) -> SignedIn:
        """Without a password, and with no second step. Raises TokenSpent, BadPasskey, Unavailable."""
        party, now = await self._party(), self.signin.timers.now()
        challenge = party.challenge(answer)
        await self.signin.proving.complete(challenge, SIGN)  # first: whatever else it says, it has been answered
        async with evenly(EVEN):
            passkey = await self._proved(party, answer, challenge)
            credential = await self.signin.accounts.of_user(passkey.user_id)
            if credential is None:
                raise BadPasskey
        await self.signin.catch_up(credential)
        return await self.signin.begin(passkey.user_id, caller.device, factor_at=now, passkey_id=passkey.id)

    async def mine(self, identity: Identity) -> Sequence[OwnPasskey]:
        """Oldest first."""
        return [_shown(one) for one in await self.signin.passkeys.list(identity.user_id)]

    async def remove(self, identity: Identity, passkey_id: str) -> None:
        """Other devices that were signed in with it are signed out. Raises NotFound, for a stranger's too; NotFresh."""
        passkey = await self.signin.passkeys.get(passkey_id)
        if passkey is None or passkey.user_id != identity.user_id:
            raise NotFound
        await Recovery(self.signin).require_fresh(identity, "factors")
        if not await self.signin.passkeys.remove(passkey, self.signin.timers.now()):
            raise NotFound
        for session in await self.signin.logins.list(identity.user_id):
            if session.passkey_id == passkey.id and session.id != identity.session_id:
                await self.signin.end_one(session.id)
        await self._tell("passkey_removed", identity)

    async def _proved(self, party: "RelyingParty", answer: Answer, challenge: str) -> Passkey:
        """The one that signed. Of two answers with one count, or an older one, only the first is let in."""
        passkey = await self.signin.passkeys.get(_id(party.credential(answer)))
        if passkey is None or party.owner(answer) != passkey.user_id:
            raise BadPasskey
        counter = party.counted(answer, challenge, passkey.key, passkey.counter)
        if not await self.signin.passkeys.use(passkey, counter, self.signin.timers.now()):
            raise BadPasskey
        return passkey

    async def _party(self) -> "RelyingParty":
        party = await asyncio.to_thread(import_module, "transport.relying_party")
        made: RelyingParty = party.RelyingParty(self.signin.site, ANSWERED.total_seconds())
        return made

    async def _tell(self, template: str, identity: Identity) -> None:
        recovery = Recovery(self.signin)
        await recovery.tell(template, await recovery.own(identity))


def _id(credential: bytes) -> str:
    return derived(credential.hex(), "passkey")


def _shown(passkey: Passkey) -> OwnPasskey:
    return OwnPasskey(passkey.id, passkey.name, passkey.synced, passkey.created_at, passkey.used_at)
