"""Giving people roles: the first administrator by a token that the server's first start prints, all others by one."""

import dataclasses
from datetime import timedelta
from typing import Final

from actors.domain.refusals import NotFound, TokenSpent
from actors.domain.roles import INCLUDES, Role
from actors.ports import Roles
from transport.recovery import Recovery
from transport.refusals import FactorMissing, NotInRole, OwnRole
from transport.signin import SignIn
from transport.tokens import Identity

GOOD_FOR: Final = timedelta(hours=24)
SET_UP: Final = "set-up"
"""The kind of the token, whose key seals it, and who granted the role it brought."""


def require_role(identity: Identity, role: Role) -> None:
    """Raises NotInRole; FactorMissing, since what is more than one's own opens to nobody by a password alone."""
    if role not in INCLUDES[identity.role]:
        raise NotInRole
    if role != "user" and not identity.factor:
        raise FactorMissing


@dataclasses.dataclass(frozen=True, slots=True)
class Granting:
    """Whoever is given a role is signed out everywhere: tokens that say another one end, sockets and all."""

    signin: SignIn

    @property
    def _roles(self) -> Roles:
        return self.signin.roles

    async def grant(self, identity: Identity, user_id: str, role: Role) -> None:
        """Raises OwnRole, NotFresh, NotFound, Unavailable."""
        if user_id == identity.user_id:
            raise OwnRole
        await Recovery(self.signin).require_fresh(identity, "roles")
        await self._grant(user_id, role, by=identity.user_id)

    async def set_up(self, identity: Identity, token: str) -> None:
        """The caller becomes an administrator. Raises TokenSpent, Unavailable."""
        await self.signin.proving.complete(token, SET_UP)
        if await self._roles.any_admin():  # made on the command line since it was printed
            raise TokenSpent
        await self._grant(identity.user_id, "admin", by=SET_UP)

    async def first_token(self) -> str | None:
        """A token that makes who presents it an administrator; None if there is one, or a token that is still good."""
        if await self._roles.any_admin():
            return None
        return await self.signin.proving.issue_only(SET_UP, "installation", SET_UP, GOOD_FOR)

    async def _grant(self, user_id: str, role: Role, *, by: str) -> None:
        if await self._roles.grant(user_id, role, by, self.signin.timers.now()) is None:
            raise NotFound
        await self.signin.end_all(user_id)  # also when they had it: an earlier try may have come no further
