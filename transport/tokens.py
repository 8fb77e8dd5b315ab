"""Access tokens (EdDSA JWTs, RFC 9068) and refresh tokens (opaque, a counter under a key of the login session)."""

import asyncio
import base64
import hmac
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Final, Protocol

import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Meta

from actors.commands import Id
from actors.domain.refusals import Unauthenticated
from actors.domain.roles import Role
from actors.journal.outside import Timers

LIFETIME: Final = timedelta(minutes=10)
LEEWAY: Final = timedelta(seconds=5)
MAX_TOKEN: Final = 2_048
_TYPE: Final = "at+jwt"
_FACTORS: Final = {"otp", "mfa"}
"""What says that more than a password was proved: a code beside it, or a passkey, which is two factors in one."""
_HEADER: Final = frozenset({"alg", "typ", "kid"})
"""Whatever else a header holds (jwk, jku, x5u, x5c, crit, b64, zip) is refused with the token."""
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{85}[AQgw]")
"""Base64url without padding; the last character of 64 octets has four bits to spare, which are zero."""
_REFRESH: Final = re.compile(r"([0-9a-f-]{36})\.([1-9][0-9]{0,9})\.([A-Za-z0-9_-]{43})")


log = structlog.get_logger(__name__)


class SigningKeys(Protocol):
    """`by_id` holds every key whose tokens are still believed; `current` is the id of the one that signs."""

    @property
    def current(self) -> str: ...

    @property
    def by_id(self) -> Mapping[str, Ed25519PrivateKey]: ...


class VerifyingKey(msgspec.Struct, frozen=True):
    """A key with the one algorithm it is good for, whatever a token says."""

    key: Ed25519PublicKey
    alg: str = "EdDSA"


class Identity(msgspec.Struct, frozen=True):
    """Who a bearer is: a user in a role, on one login session, by a token of that generation."""

    user_id: str
    session_id: str
    generation: int
    expires_at: datetime
    role: Role = "user"
    factor: bool = False
    """Whether the second factor was proved when signing in."""


class _Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    iss: str
    aud: str
    sub: Id
    sid: Id
    jti: Annotated[str, Meta(min_length=16, max_length=64)]
    iat: int
    nbf: int
    exp: int
    amr: Annotated[list[str], Meta(min_length=1)]
    scope: str
    gen: Annotated[int, Meta(ge=1)]
    role: Role


class Tokens:
    """Makes and verifies access tokens. `remembered` bounds how many verified ones need no second verification."""

    def __init__(self, keys: SigningKeys, *, issuer: str, timers: Timers, remembered: int = 20_000) -> None:
        self._issuer = issuer
        self._timers = timers
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()
        self._remembered = remembered
        self._registry: dict[str, VerifyingKey] = {}
        self.replace(keys)

    def replace(self, keys: SigningKeys) -> None:
        """From now on these keys; tokens of one that is gone are refused at once."""
        registry = {kid: VerifyingKey(key.public_key()) for kid, key in keys.by_id.items()}
        if registry != self._registry:
            self._verified.clear()
        self._registry = registry
        self._current = keys.current
        self._signing = keys.by_id[keys.current]

    def issue(
        self, user_id: str, session_id: str, generation: int, role: Role = "user", *, amr: Sequence[str] = ("pwd",)
    ) -> str:
        """`amr` says how its bearer proved who they are (RFC 8176)."""
        now = int(self._timers.now().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._issuer,
            "sub": user_id,
            "sid": session_id,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "nbf": now,
            "exp": now + int(LIFETIME.total_seconds()),
            "amr": list(amr),
            "scope": "app",
            "gen": generation,
            "role": role,
        }
        return jwt.encode(claims, self._signing, algorithm="EdDSA", headers={"typ": _TYPE, "kid": self._current})

    def verify(self, token: str) -> Identity:
        """Who it was issued to. Raises Unauthenticated; whether the login session still lives is another question."""
        if len(token) > MAX_TOKEN or not _SHAPE.fullmatch(token):
            raise Unauthenticated
        digest = sha256(token.encode()).digest()
        identity = self._verified.get(digest)
        if identity is None:
            identity = self._read(token)
            self._remember(digest, identity)
        if self._timers.now() >= identity.expires_at + LEEWAY:
            raise Unauthenticated
        return identity

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517, RFC 8037)."""
        keys = [
            {"kty": "OKP", "crv": "Ed25519", "x": _public(known.key), "kid": kid, "use": "sig", "alg": known.alg}
            for kid, known in self._registry.items()
        ]
        return {"keys": keys}

    def _read(self, token: str) -> Identity:
        try:
            known = self._key(jwt.get_unverified_header(token))
            signed = jwt.api_jws.decode(token, known.key, algorithms=[known.alg])
            for members in (jwt.utils.base64url_decode(token.partition(".")[0]), signed):
                json.loads(members, object_pairs_hook=_each_once)
            claims = msgspec.json.decode(signed, type=_Claims)
        except (jwt.InvalidTokenError, msgspec.MsgspecError, ValueError):
            raise Unauthenticated from None
        self._check(claims)
        expires = datetime.fromtimestamp(claims.exp, UTC)
        return Identity(claims.sub, claims.sid, claims.gen, expires, claims.role, not _FACTORS.isdisjoint(claims.amr))

    def _key(self, header: Mapping[str, Any]) -> VerifyingKey:
        kid = header.get("kid")
        known = self._registry.get(kid) if isinstance(kid, str) else None
        if known is None or header.keys() != _HEADER or header["typ"] != _TYPE or header["alg"] != known.alg:
            raise Unauthenticated
        return known

    def _check(self, claims: _Claims) -> None:
        now = self._timers.now().timestamp()
        leeway = LEEWAY.total_seconds()
        ours = claims.iss == claims.aud == self._issuer and claims.scope == "app"
        begun = max(claims.iat, claims.nbf) <= now + leeway
        lasting = now < claims.exp + leeway and claims.exp - claims.iat <= LIFETIME.total_seconds()
        if not (ours and begun and lasting):
            raise Unauthenticated

    def _remember(self, digest: bytes, identity: Identity) -> None:
        self._verified[digest] = identity
        if len(self._verified) > self._remembered:
            self._verified.popitem(last=False)


async def follow(tokens: Tokens, read: Callable[[], SigningKeys], *, every: float = 30.0) -> None:
    """Reads the keys anew every so many seconds, for ever: they rotate without a restart.

    What can't be read (OSError, ValueError) changes nothing and is reported.
    """
    while True:
        await asyncio.sleep(every)
        try:
            tokens.replace(await asyncio.to_thread(read))
        except (OSError, ValueError) as error:
            log.error("signing_keys_unreadable", error=type(error).__name__)  # noqa: TRY400 - its text may show paths


class RefreshToken(msgspec.Struct, frozen=True):
    """A refresh token as it was presented; nothing about it is true before `made_with` says so."""

    session_id: str
    generation: int
    mac: str

    def made_with(self, key: bytes) -> bool:
        return hmac.compare_digest(self.mac, _mac(self.session_id, self.generation, key))


def refresh_token(session_id: str, generation: int, key: bytes) -> str:
    """`{session id}.{generation}.{MAC}`: the same for the same generation, so a successor can be given again."""
    return f"{session_id}.{generation}.{_mac(session_id, generation, key)}"


def read_refresh_token(text: str) -> RefreshToken:
    """Raises Unauthenticated."""
    found = _REFRESH.fullmatch(text)
    if found is None:
        raise Unauthenticated
    return RefreshToken(found[1], int(found[2]), found[3])


def _mac(session_id: str, generation: int, key: bytes) -> str:
    return _base64url(hmac.digest(key, f"{session_id}.{generation}".encode(), "sha256"))


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two members of one name they take (RFC 7519, section 4): neither is taken."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _public(key: Ed25519PublicKey) -> str:
    return _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
