"""Getting back in, and changing the way in: by a letter, or by proving once more who one is."""

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from actors.domain.refusals import BadCredentials, NotFresh, TokenSpent, Unauthenticated
from actors.ports import Accounts, Credential, Letter, NewCredential, Proof, Take
from transport.attempts import alike, begin_attempt, evenly, remember_here
from transport.limits import Meter
from transport.mail_addresses import check_address
from transport.proving import Errand
from transport.signed_in import Caller
from transport.signin import ALIKE, EVEN, REGISTER, SignIn
from transport.tokens import Identity

FRESH: Final = timedelta(minutes=5)
Scope = Literal["password", "email", "export", "erasure", "roles", "factors"]
"""What somebody proves once more who they are for."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recovery:
    """Beside the sign-in, whose parts it uses."""

    signin: SignIn

    @property
    def _accounts(self) -> Accounts:
        return self.signin.accounts

    async def verify(self, token: str) -> None:
        """An address is confirmed: that of a newcomer, whose account opens now, that of an account, or its next one.

        Raises TokenSpent, Unavailable, TimedOut.
        """
        proof = await self.signin.proving.complete(token, REGISTER, "confirm", "email")
        now = self.signin.timers.now()
        if proof.kind == REGISTER:
            await self._open(proof.fields)
        elif proof.kind == "confirm":
            if not await self._accounts.confirm(proof.owner, proof.fields["email"], now):
                raise TokenSpent
        else:
            await self._move(proof)

    async def resend(self, email: str, meter: Meter) -> None:
        """The letter that asks to confirm an address, once more, if that is waited for; alike whether or not.

        Raises Invalid, RateLimited.
        """
        check_address(email)
        limits = meter.gate.limits
        await meter.pass_(*meter.by_address(limits.login))
        async with alike(ALIKE):
            known = await self._accounts.by_mail(email)
            newcomer = await self.signin.proving.waiting(REGISTER, email)
            if not await meter.may(Take(limits.mail, email), Take(limits.mail_daily, email)):
                return
            if known is None and newcomer is not None:
                await self.signin.ask_to_confirm(newcomer.fields)
            elif known is not None and known.confirmed_at is None:
                await self._errand("confirm", known, known.email, "verify")

    async def forgot(self, email: str, meter: Meter) -> None:
        """A letter with a token, if there is such an account; alike whether or not. Raises RateLimited."""
        limits = meter.gate.limits
        await meter.pass_(*meter.by_address(limits.login))
        async with alike(ALIKE):
            known = await self._accounts.by_mail(email)
            if await meter.may(Take(limits.mail, email), Take(limits.mail_daily, email)) and known is not None:
                await self._errand("reset", known, known.email, "reset-password")

    async def reset(self, token: str, password: str, caller: Caller) -> None:
        """Another password; every device is signed out. Raises TokenSpent, WeakPassword, Overloaded, Unavailable."""
        proof = await self.signin.proving.look(token, "reset")
        credential = await self._accounts.of_user(proof.owner)
        if credential is None or credential.email != proof.fields["email"]:
            raise TokenSpent
        password_hash = await self._hash(password, credential)
        await self.signin.proving.complete(token, "reset")
        await self._accounts.rehash(credential.user_id, password_hash)
        await self._accounts.confirm(credential.user_id, credential.email, self.signin.timers.now())
        await self._end_all(credential)
        await remember_here(credential.email, caller.meter)  # strangers may have used up what is counted

    async def change_password(self, identity: Identity, current: str | None, password: str, caller: Caller) -> None:
        """Another password; the other devices are signed out. Raises NotFresh, BadCredentials, WeakPassword, …"""
        credential = await self._prove(identity, current, "password", caller.meter)
        await self._accounts.rehash(credential.user_id, await self._hash(password, credential))
        await self._end_all(credential, keep=identity.session_id)

    async def change_email(self, identity: Identity, email: str, current: str | None, caller: Caller) -> None:
        """A token to the new address, a word to the old one. Raises Invalid, NotFresh, BadCredentials, RateLimited.

        Whether the new address has an account already, only whoever reads its letters learns.
        """
        check_address(email)
        credential = await self._prove(identity, current, "email", caller.meter)
        limits, whose = caller.meter.gate.limits, f"user/{identity.user_id}"
        await caller.meter.pass_(Take(limits.mail, whose), Take(limits.mail_daily, whose))
        async with alike(ALIKE):
            await self.tell("email_changing", credential)
            other = await self._accounts.by_mail(email)
            if other is None or other.user_id == credential.user_id:
                await self._errand("email", credential, email, "verify", template="email_change")
            else:
                await self.tell("taken", other)

    async def reauth(self, identity: Identity, password: str, scope: Scope, meter: Meter) -> None:
        """For five minutes this device may do that. Raises BadCredentials, RateLimited."""
        await self._check(identity, password, meter)
        until = self.signin.timers.now() + FRESH
        await self.signin.logins.freshen(identity.session_id, scope, until)

    async def require_fresh(self, identity: Identity, scope: Scope) -> None:
        """Raises NotFresh."""
        session = await self.signin.logins.get(identity.session_id)
        now = self.signin.timers.now()
        if session is None or session.fresh_for != scope or session.fresh_until is None or now >= session.fresh_until:
            raise NotFresh

    async def _prove(self, identity: Identity, password: str | None, scope: Scope, meter: Meter) -> Credential:
        if password is not None:
            return await self._check(identity, password, meter)
        await self.require_fresh(identity, scope)
        return await self.own(identity)

    async def _check(self, identity: Identity, password: str, meter: Meter) -> Credential:
        """Counted apart from logins: only who is signed in comes here, so no stranger can use it up."""
        attempt = await begin_attempt(f"user/{identity.user_id}", meter)
        async with evenly(EVEN):
            credential = await self.own(identity)
            if not await self.signin.passwords.verify(credential.password_hash, password):
                await attempt.failed()
                raise BadCredentials
        await attempt.succeeded()
        return credential

    async def own(self, identity: Identity) -> Credential:
        credential = await self._accounts.of_user(identity.user_id)
        if credential is None:
            raise Unauthenticated
        return credential

    async def _hash(self, password: str, credential: Credential) -> str:
        self.signin.passwords.check(password, context=(credential.email, credential.name))
        return await self.signin.passwords.hash(password)

    async def _end_all(self, credential: Credential, *, keep: str = "") -> None:
        """The sign-ins of whoever knew the old password, their sockets too, on every node; and a word to the owner."""
        await self.signin.end_all(credential.user_id, keep=keep)
        await self.tell("password_changed", credential)

    async def _open(self, fields: Mapping[str, str]) -> None:
        new = NewCredential(**fields, created_at=self.signin.timers.now())
        await self.signin.claim(new)
        await self._accounts.confirm(new.user_id, new.email, new.created_at)

    async def _move(self, proof: Proof) -> None:
        if not await self._accounts.move(proof.owner, proof.fields["email"], self.signin.timers.now()):
            raise TokenSpent
        credential = await self._accounts.of_user(proof.owner)
        if credential is not None and credential.moved_at is not None:
            await self.signin.tell_moved(credential, credential.moved_at)

    async def _errand(self, kind: str, credential: Credential, to: str, page: str, *, template: str = "") -> None:
        owner, fields = credential.user_id, {"email": to}
        errand = Errand(kind, owner, owner, to, credential.language, template or kind, page, fields)
        await self.signin.proving.begin(errand)

    async def tell(self, template: str, credential: Credential, **fields: str) -> None:
        letter = Letter(template, credential.email, credential.language, fields)
        await self.signin.proving.mailing.send(credential.user_id, letter)
