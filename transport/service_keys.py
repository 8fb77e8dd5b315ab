"""API keys of programs: what each may do, made and recognised. Whatever is not in a key's scopes it may not do."""

import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec

from actors.domain.refusals import Unauthenticated
from actors.journal.outside import Timers
from actors.ports import ApiKey, ApiKeys
from transport.refusals import Forbidden

SCOPES: Final[Mapping[str, str]] = {
    "metrics:read": "read /metrics from anywhere",
    "users:read": "find an account by its mail address",
}
"""The policy: all there is for keys, and none of it is for people."""
PREFIX: Final = "lbk_"
_WRITTEN: Final = re.compile(r"lbk_([0-9a-f]{12})_([\w-]{43})", re.ASCII)
_NOTED: Final = timedelta(minutes=1)
"""How exactly it is known when a key was last used."""


class Service(msgspec.Struct, frozen=True):
    """The program that asks, by its key."""

    key_id: str
    scopes: tuple[str, ...]


def new_key(name: str, scopes: Iterable[str], now: datetime, good_for: timedelta) -> tuple[ApiKey, str]:
    """The key to keep, and the text to give away: nobody can show that again. Raises ValueError for unknown scopes."""
    wanted = tuple(sorted(set(scopes)))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise ValueError(f"scopes are some of {', '.join(SCOPES)}")
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return ApiKey(key_id, name, _digest(secret), wanted, now, now + good_for), f"{PREFIX}{key_id}_{secret}"


class ServiceKeys:
    """Recognises keys, each time by what is kept: a revoked one is refused at once, on every node."""

    def __init__(self, keys: ApiKeys, timers: Timers) -> None:
        self._keys = keys
        self._timers = timers

    async def identify(self, token: str, scope: str) -> Service:
        """Raises Unauthenticated for what is no good key, Forbidden for one without that scope, Unavailable."""
        found = _WRITTEN.fullmatch(token)
        key = await self._keys.get(found[1]) if found is not None else None
        now = self._timers.now()
        if found is None or key is None or not hmac.compare_digest(key.digest, _digest(found[2])):
            raise Unauthenticated
        if key.revoked_at is not None or now >= key.expires_at:
            raise Unauthenticated
        if key.used_at is None or now >= key.used_at + _NOTED:
            await self._keys.use(key.id, now)
        if scope not in key.scopes:
            raise Forbidden
        return Service(key.id, key.scopes)


def _digest(secret: str) -> str:
    """Unsalted and fast: the secret has 256 random bits, which nobody guesses."""
    return sha256(secret.encode()).hexdigest()
