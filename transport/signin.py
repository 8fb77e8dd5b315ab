"""Signing in: accounts are registered and opened, devices get tokens, refresh them, and are signed out."""

import asyncio
import contextlib
import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from actors.commands import ChangeMail, OpenAccount
from actors.domain.refusals import BadCredentials, Invalid, MailTaken, NotFound, Revoked, Unauthenticated
from actors.journal.journaled import Order
from actors.journal.outside import Timers
from actors.ports import (
    Accounts,
    Credential,
    Factors,
    Letter,
    LoginSession,
    LoginSessions,
    NewCredential,
    Passkeys,
    Roles,
    Take,
)
from actors.runtime.envelope import Overloaded, Unavailable
from actors.runtime.ids import derived, uuid7
from actors.work.profile import check_name, check_zone
from transport.asking import Sessions
from transport.attempts import alike, begin_attempt, evenly, remember_here
from transport.identity import Bearers, alive
from transport.limits import Meter
from transport.mail_addresses import check_address
from transport.passwords import Passwords
from transport.proving import Errand, Proving, digest
from transport.signed_in import Caller, Challenge, Device, Newcomer, SignedIn, Site
from transport.tokens import LIFETIME, Identity, Tokens, read_refresh_token, refresh_token

GRACE: Final = timedelta(seconds=10)
"""So long the generation before is answered with its successor, even when that has been used: lost answers, tabs."""
ASK: Final = 10.0
EVEN: Final = 0.05
"""Refused logins are answered after a multiple of this many seconds, so that look-ups don't show in the time."""
ALIKE: Final = 0.25
"""As above for answers that always are the same, such as whether a letter is on its way."""
CHALLENGE: Final = "challenge"
"""The kind of a token that stands for a password, until the second factor is proved."""
CHALLENGED: Final = timedelta(minutes=5)
NEWCOMERS: Final = "newcomers"
"""Whose key seals what is known of those who have no account yet."""
REGISTER: Final = "register"
"""The kind of a token that opens an account."""
_ATTEMPTS: Final = 5
log = structlog.get_logger(__name__)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Given once by the composition root; `sessions` is the directory, `logins` are the login sessions."""

    accounts: Accounts
    logins: LoginSessions
    sessions: Sessions
    tokens: Tokens
    bearers: Bearers
    passwords: Passwords
    proving: Proving
    roles: Roles
    factors: Factors
    passkeys: Passkeys
    site: Site
    timers: Timers
    verification: bool = False
    """Whether a mail address must be confirmed before there is an account."""

    async def register(self, newcomer: Newcomer, password: str, caller: Caller) -> SignedIn | None:
        """Claims the mail address, opens the account and signs in; with verification, all that waits for a token.

        Then it is None, alike in time and cost whether or not the address has an account. Cut short in between, the
        next login opens the account. Raises Invalid, WeakPassword, RateLimited, MailTaken, Overloaded, Unavailable,
        TimedOut.
        """
        check_address(newcomer.email)
        check_name(newcomer.name)
        check_zone(newcomer.tz)
        self.passwords.check(password, context=(newcomer.email, newcomer.name))
        await caller.meter.pass_(*caller.meter.by_address(caller.meter.gate.limits.register))
        now = self.timers.now()
        fields = (newcomer.email, await self.passwords.hash(password), newcomer.name, newcomer.tz, newcomer.language)
        new = NewCredential(uuid7(now), *fields, now)
        if self.verification:
            await self._ask_newcomer(new, caller.meter)
            return None
        await self.claim(new)
        signed_in = await self.begin(new.user_id, caller.device)
        await remember_here(new.email, caller.meter)
        with contextlib.suppress(Unavailable):  # the account stands; the address can be confirmed by the next letter
            await self._ask_owner(new)
        return signed_in

    async def claim(self, new: NewCredential) -> None:
        """Raises MailTaken, and what the session refuses its first command with."""
        if not await self.accounts.claim(new):
            raise MailTaken
        fields = (new.email, new.password_hash, new.name, new.tz, new.language)
        try:
            await self._open(Credential(new.user_id, *fields, opened=False))
        except Invalid:  # refused for good: the address is free again
            await self.accounts.unclaim(new.user_id)
            raise

    async def login(self, email: str, password: str, caller: Caller) -> SignedIn | Challenge:
        """With a second factor, that is asked for first. Raises RateLimited, and BadCredentials: alike in work and time whether or not there is such an account."""
        attempt = await begin_attempt(email, caller.meter)
        async with evenly(EVEN):
            credential = await self.accounts.by_mail(email)
            right = await self.passwords.verify(credential.password_hash if credential else None, password)
            if credential is None or not right:
                await attempt.failed()
                raise BadCredentials
        await attempt.succeeded()
        await self.catch_up(credential)
        kept = credential.password_hash
        if self.passwords.outdated(kept):
            with contextlib.suppress(Overloaded):  # the next login will do
                kept = await self.passwords.hash(password)
                await self.accounts.rehash(credential.user_id, kept)
        if await self.factors.get(credential.user_id) is None:
            return await self.begin(credential.user_id, caller.device)
        return await self._challenge(credential.user_id, kept)

    async def catch_up(self, credential: Credential) -> None:
        """What was cut short when the account was made, or its address changed, is done before anybody is let in."""
        if not credential.opened:
            await self._open(credential)
        if credential.moved_at is not None:
            await self.tell_moved(credential, credential.moved_at)

    async def refresh(self, presented: str) -> SignedIn:
        """The next tokens of a login session. Raises Unauthenticated, Revoked, Unavailable."""
        token = read_refresh_token(presented)
        for attempt in range(_ATTEMPTS):
            await asyncio.sleep(0.05 * attempt)
            session = await self.logins.get(token.session_id)
            if session is None or not token.made_with(session.key):
                raise Unauthenticated
            if not alive(session, self.timers):
                raise Revoked
            generation = await self._successor(session, token.generation)
            if generation is not None:
                return await self._signed_in(session, generation)
        raise Unavailable

    async def logout(self, identity: Identity) -> None:
        await self.end_one(identity.session_id)

    async def logout_all(self, identity: Identity) -> None:
        await self.end_all(identity.user_id)

    async def end_all(self, user_id: str, *, keep: str = "") -> None:
        """All of a user's sign-ins but the one to keep, their sockets too, on every node."""
        for session_id in await self.logins.revoke_all(user_id, self.timers.now(), keep=keep):
            self.bearers.revoked(session_id)

    async def devices(self, identity: Identity) -> Sequence[Device]:
        """The caller's signed-in devices, newest first."""
        return [
            Device(
                session.id, session.device, session.created_at, session.rotated_at, session.id == identity.session_id
            )
            for session in await self.logins.list(identity.user_id)
            if alive(session, self.timers)
        ]

    async def end(self, identity: Identity, session_id: str) -> None:
        """Signs out one of the caller's devices. Raises NotFound, for a stranger's too."""
        session = await self.logins.get(session_id)
        if session is None or session.user_id != identity.user_id or not alive(session, self.timers):
            raise NotFound
        await self.end_one(session_id)

    def jwks(self) -> dict[str, Any]:
        return self.tokens.jwks()

    async def _successor(self, session: LoginSession, presented: int) -> int | None:
        """The generation to give; None when another request was first, and it must be looked at again."""
        now = self.timers.now()
        behind = session.counter - presented
        if behind < 0:  # made with its key and never given out: not one of ours
            raise Unauthenticated
        if behind == 0:
            return presented + 1 if await self.logins.rotate(session.id, presented, now) else None
        unused = session.used < session.counter
        if behind == 1 and (unused or now <= session.rotated_at + GRACE):
            return session.counter
        log.warning("refresh_token_reused", behind=behind)
        await self.end_one(session.id)
        await self._tell_stolen(session)
        raise Revoked

    async def _tell_stolen(self, session: LoginSession) -> None:
        """One letter for each login session, however often the old token comes."""
        credential = await self.accounts.of_user(session.user_id)
        if credential is not None:
            letter = Letter("stolen", credential.email, credential.language, {})
            await self.proving.mailing.send(session.user_id, letter, mail_id=f"stolen/{session.id}")

    async def tell_moved(self, credential: Credential, at: datetime) -> None:
        """The session takes over another mail address; told again it has no second effect."""
        cid = derived(credential.user_id, f"account.change_mail/{at.isoformat()}")
        order = Order(credential.user_id, cid, ChangeMail(credential.email))
        await self.sessions.session(credential.user_id).ask(order, timeout=ASK)
        await self.accounts.told(credential.user_id, at)

    async def _ask_newcomer(self, new: NewCredential, meter: Meter) -> None:
        """A token for a new address, a word to whoever has an account already; the one who asks sees no difference."""
        limits = meter.gate.limits
        async with alike(ALIKE):
            known = await self.accounts.by_mail(new.email)
            if not await meter.may(Take(limits.mail, new.email), Take(limits.mail_daily, new.email)):
                return
            if known is not None:
                letter = Letter("taken", known.email, known.language, {})
                await self.proving.mailing.send(known.user_id, letter)
                return
            fields = {
                name: getattr(new, name) for name in ("user_id", "email", "password_hash", "name", "tz", "language")
            }
            await self.ask_to_confirm(fields)

    async def ask_to_confirm(self, fields: Mapping[str, str]) -> None:
        """A token to who has no account yet; `fields` are those of their NewCredential, but for the time."""
        to, language = fields["email"], fields["language"]
        await self.proving.begin(Errand(REGISTER, to, NEWCOMERS, to, language, "confirm", "verify", fields))

    async def _ask_owner(self, new: NewCredential) -> None:
        whose, fields = new.user_id, {"email": new.email}
        await self.proving.begin(Errand("confirm", whose, whose, new.email, new.language, "confirm", "verify", fields))

    async def _open(self, credential: Credential) -> None:
        """The session's first command; sent again it has no second effect."""
        command = OpenAccount(
            credential.user_id,
            credential.email,
            credential.name,
            credential.tz,
            credential.language,
        )
        order = Order(credential.user_id, derived(credential.user_id, "account.open"), command)
        await self.sessions.session(credential.user_id).ask(order, timeout=ASK)
        await self.accounts.opened(credential.user_id)

    async def begin(
        self, user_id: str, device: str, *, factor_at: datetime | None = None, passkey_id: str | None = None
    ) -> SignedIn:
        """A login session of somebody who has proved all that was asked. Raises Unavailable."""
        now = self.timers.now()
        session = LoginSession(
            id=uuid7(now),
            user_id=user_id,
            device=device,
            key=secrets.token_bytes(32),
            counter=1,
            used=0,
            created_at=now,
            rotated_at=now,
            factor_at=factor_at,
            passkey_id=passkey_id,
        )
        await self.logins.add(session)
        return await self._signed_in(session, session.counter)

    async def _challenge(self, user_id: str, password_hash: str) -> Challenge:
        """Each has a subject of its own: who knows the password can't void what the owner was given."""
        subject, fields = uuid7(self.timers.now()), {"password": digest(password_hash)}
        token = await self.proving.issue(CHALLENGE, subject, user_id, CHALLENGED, fields)
        return Challenge(token, int(CHALLENGED.total_seconds()))

    async def _signed_in(self, session: LoginSession, generation: int) -> SignedIn:
        """The role is read when the session is there: given another one since, its user is signed out."""
        role = await self.roles.of(session.user_id)
        return SignedIn(
            user_id=session.user_id,
            session_id=session.id,
            access_token=self.tokens.issue(session.user_id, session.id, generation, role, amr=_proved_by(session)),
            expires_in=int(LIFETIME.total_seconds()),
            refresh_token=refresh_token(session.id, generation, session.key),
            role=role,
        )

    async def end_one(self, session_id: str) -> None:
        await self.logins.revoke(session_id, self.timers.now())
        self.bearers.revoked(session_id)


def _proved_by(session: LoginSession) -> Sequence[str]:
    """RFC 8176: a key proves that it is there, and that its authenticator has recognised its owner."""
    if session.passkey_id is not None:
        return ("pop", "mfa")
    return ("pwd",) if session.factor_at is None else ("pwd", "otp")
