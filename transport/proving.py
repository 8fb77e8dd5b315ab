"""Tokens sent by mail: whoever presents one has read the letter it stood in."""

import dataclasses
import secrets
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Final

import msgspec

from actors.domain.refusals import TokenSpent
from actors.journal.outside import Timers
from actors.ports import Letter, Proof, Proofs
from transport.mailing import Mailing

GOOD_FOR: Final = timedelta(minutes=30)
_OCTETS: Final = 32


class Errand(msgspec.Struct, frozen=True):
    """What a token is for: its kind and subject, whose key seals it, who reads the letter, where its link leads."""

    kind: str
    subject: str
    owner: str
    to: str
    language: str
    template: str
    page: str
    fields: Mapping[str, str] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Proving:
    """Only the digest of a token is kept here; the token itself is in the sealed letter until that is sent."""

    proofs: Proofs
    mailing: Mailing
    timers: Timers

    async def begin(self, errand: Errand) -> None:
        """Have a fresh token mailed; older ones for the same are void. Raises Unavailable."""
        if not self.mailing.on:
            return
        token = await self.issue(errand.kind, errand.subject, errand.owner, GOOD_FOR, errand.fields)
        minutes = str(int(GOOD_FOR.total_seconds() // 60))
        fields = {"token": token, "link": self.mailing.link(errand.page, token), "minutes": minutes}
        letter = Letter(errand.template, errand.to, errand.language, fields)
        await self.mailing.send(errand.owner, letter, good_for=GOOD_FOR)

    async def issue(self, kind: str, subject: str, owner: str, good_for: timedelta, fields: Mapping[str, str]) -> str:
        """A fresh token of 256 bits."""
        token = secrets.token_urlsafe(_OCTETS)
        await self.proofs.keep(digest(token), Proof(kind, subject, owner, self.timers.now() + good_for, fields))
        return token

    async def issue_only(self, kind: str, subject: str, owner: str, good_for: timedelta) -> str | None:
        """The same; None while there is one that is still good."""
        token, now = secrets.token_urlsafe(_OCTETS), self.timers.now()
        kept = await self.proofs.keep_only(digest(token), Proof(kind, subject, owner, now + good_for), now)
        return token if kept else None

    async def waiting(self, kind: str, subject: str) -> Proof | None:
        """What the newest token of these stands for, if nobody has presented it and it is still good."""
        return await self.proofs.waiting(kind, subject, self.timers.now())

    async def look(self, token: str, *kinds: str) -> Proof:
        """What it stands for; it stays good. Raises TokenSpent."""
        return _of_kind(await self.proofs.find(digest(token), self.timers.now()), kinds)

    async def complete(self, token: str, *kinds: str) -> Proof:
        """What it stood for; it is good no more. Raises TokenSpent."""
        await self.look(token, *kinds)  # a token of another kind is left as it is
        return _of_kind(await self.proofs.take(digest(token), self.timers.now()), kinds)


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _of_kind(proof: Proof | None, kinds: tuple[str, ...]) -> Proof:
    if proof is None or proof.kind not in kinds:
        raise TokenSpent
    return proof
