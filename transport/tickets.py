"""One-use tickets for sockets: a page that connects shows one instead of the token that opens everything."""

import dataclasses
import re
from datetime import timedelta
from typing import Final

import msgspec

from actors.domain.refusals import TokenSpent
from transport.identity import Bearers
from transport.proving import Proving
from transport.tokens import Identity

GOOD_FOR: Final = timedelta(seconds=30)
_KIND: Final = "ticket"
_WRITTEN: Final = re.compile(r"[\w-]{43}", re.ASCII)
"""A JWT has dots."""


class Ticket(msgspec.Struct, frozen=True):
    """Good for one connect of one device, within `expires_in` seconds, while the login session lives."""

    ticket: str
    expires_in: int


@dataclasses.dataclass(frozen=True, slots=True)
class Tickets:
    """A ticket and an access token are told apart by their form."""

    proving: Proving
    bearers: Bearers

    async def issue(self, identity: Identity, device_id: str) -> Ticket:
        """The one before of this device is void. Raises Unavailable."""
        fields = {"session": identity.session_id, "device": device_id}
        subject = f"{identity.session_id}/{device_id}"
        ticket = await self.proving.issue(_KIND, subject, identity.user_id, GOOD_FOR, fields)
        return Ticket(ticket, int(GOOD_FOR.total_seconds()))

    async def identify(self, shown: str, device_id: str) -> Identity:
        """Who connects, by a ticket of this device or by an access token.

        Raises TokenSpent, Unauthenticated, Revoked, Unavailable.
        """
        if not _WRITTEN.fullmatch(shown):
            return await self.bearers.identify(shown)
        proof = await self.proving.complete(shown, _KIND)
        if proof.fields["device"] != device_id:
            raise TokenSpent
        identity = Identity(proof.owner, proof.fields["session"], 0, proof.until)
        await self.bearers.check(identity)
        return identity
