"""Who is this bearer: the token is genuine and its login session still lives; and who wants to know when it ends."""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

import structlog

from actors.domain.refusals import Revoked
from actors.journal.outside import Timers
from actors.ports import LoginSession, LoginSessions
from actors.runtime.envelope import Unavailable
from transport.tokens import Identity, Tokens

IDLE: Final = timedelta(days=30)
ABSOLUTE: Final = timedelta(days=90)
BELIEVED: Final = 0.5
"""Seconds for which a login session that was seen alive is believed to be."""
EVERY: Final = 0.5
"""Seconds between two looks at what other nodes have revoked."""
MARGIN: Final = timedelta(seconds=60)
"""How far the clocks of two nodes may be apart; a revocation is looked for that long, and told once."""

log = structlog.get_logger()
T = TypeVar("T")

Close = Callable[[], None]


def alive(session: LoginSession, timers: Timers) -> bool:
    """Neither revoked nor idle for 30 days nor older than 90."""
    now = timers.now()
    return session.revoked_at is None and now < session.rotated_at + IDLE and now < session.created_at + ABSOLUTE


class Bearers:
    """Identifies bearers of access tokens. `remembered` bounds each of its memories; the oldest entry is dropped."""

    def __init__(
        self,
        tokens: Tokens,
        sessions: LoginSessions,
        timers: Timers,
        *,
        remembered: int = 20_000,
    ) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._timers = timers
        self._remembered = remembered
        self._alive: OrderedDict[str, float] = OrderedDict()
        self._used: OrderedDict[str, int] = OrderedDict()
        self._revoked: OrderedDict[str, None] = OrderedDict()
        self._watching: defaultdict[str, set[Close]] = defaultdict(set)
        self._away = False

    async def identify(self, token: str) -> Identity:
        """Raises Unauthenticated for a token that is not good, Revoked when its login session has ended, Unavailable."""
        identity = self._tokens.verify(token)
        await self.check(identity)
        await self._use(identity)
        return identity

    async def check(self, identity: Identity) -> None:
        """Raises Revoked when the login session has ended, Unavailable."""
        if identity.session_id in self._revoked:
            raise Revoked
        if asyncio.get_running_loop().time() >= self._alive.get(identity.session_id, 0.0):
            await self._look(identity)

    def watch(self, session_id: str, close: Close) -> Callable[[], None]:
        """`close` is called once when that login session ends, or now if it has; what is answered stops watching."""
        if session_id in self._revoked:
            close()
            return lambda: None
        self._watching[session_id].add(close)
        return lambda: self._forget(session_id, close)

    def revoked(self, session_id: str) -> None:
        """That login session has ended: refused from now on, and whoever watches it is told at once."""
        _keep(self._revoked, session_id, None, self._remembered)
        self._alive.pop(session_id, None)
        self._used.pop(session_id, None)
        for close in self._watching.pop(session_id, set()):
            close()

    async def follow(self) -> None:
        """Learns what other nodes revoked, for ever; a store out of reach is asked again.

        Until it answers, who would have to be looked up is told so at once.
        """
        while True:
            try:
                ended = await self._sessions.revoked(self._timers.now() - MARGIN)
                self._away = False
            except Unavailable:
                log.warning("revocations_unavailable")
                self._away, ended = True, ()
            for session_id in ended:
                if session_id not in self._revoked:
                    self.revoked(session_id)
            await asyncio.sleep(EVERY)

    async def _look(self, identity: Identity) -> None:
        if self._away:
            raise Unavailable(retry_after_ms=1000)
        asked = asyncio.get_running_loop().time()
        session = await self._sessions.get(identity.session_id)
        if session is None or session.user_id != identity.user_id or not alive(session, self._timers):
            self.revoked(identity.session_id)
        if identity.session_id in self._revoked:  # also when it ended while this was looked up
            raise Revoked
        _keep(self._alive, identity.session_id, asked + BELIEVED, self._remembered)

    async def _use(self, identity: Identity) -> None:
        if self._used.get(identity.session_id, 0) < identity.generation:
            await self._sessions.use(identity.session_id, identity.generation)
            _keep(self._used, identity.session_id, identity.generation, self._remembered)

    def _forget(self, session_id: str, close: Close) -> None:
        watching = self._watching.get(session_id, set())
        watching.discard(close)
        if not watching:
            self._watching.pop(session_id, None)


def _keep(memory: OrderedDict[str, T], key: str, value: T, bound: int) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > bound:
        memory.popitem(last=False)
