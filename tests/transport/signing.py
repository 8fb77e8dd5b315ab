"""What tests of signing in share: a clock to turn, keys to sign with, and login sessions that count look-ups."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.ports import LoginSession, LoginSessions
from actors.runtime.envelope import Unavailable


@dataclasses.dataclass
class Clock:
    at: datetime = datetime(2026, 3, 8, 2, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclasses.dataclass
class Keys:
    current: str
    by_id: Mapping[str, Ed25519PrivateKey]


def keys() -> Keys:
    return Keys("k1", {"k1": Ed25519PrivateKey.generate()})


class Counted:
    """The real login sessions, with a count of what was asked; may be out of reach for a while."""

    def __init__(self, inner: LoginSessions) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()
        self.unavailable = 0
        self.during_get: Callable[[], None] = lambda: None

    async def add(self, session: LoginSession) -> None:
        await self._inner.add(session)

    async def get(self, session_id: str) -> LoginSession | None:
        self.calls["get"] += 1
        found = await self._inner.get(session_id)
        self.during_get()
        return found

    async def rotate(self, session_id: str, counter: int, at: datetime) -> bool:
        return await self._inner.rotate(session_id, counter, at)

    async def use(self, session_id: str, counter: int) -> None:
        self.calls["use"] += 1
        await self._inner.use(session_id, counter)

    async def revoke(self, session_id: str, at: datetime) -> bool:
        return await self._inner.revoke(session_id, at)

    async def revoke_all(self, user_id: str, at: datetime, *, keep: str = "") -> Sequence[str]:
        return await self._inner.revoke_all(user_id, at, keep=keep)

    async def prove(self, session_id: str, at: datetime) -> None:
        await self._inner.prove(session_id, at)

    async def freshen(self, session_id: str, scope: str, until: datetime) -> None:
        await self._inner.freshen(session_id, scope, until)

    async def list(self, user_id: str) -> Sequence[LoginSession]:
        return await self._inner.list(user_id)

    async def revoked(self, since: datetime) -> Sequence[str]:
        if self.unavailable:
            self.unavailable -= 1
            raise Unavailable
        return await self._inner.revoked(since)
