"""Access tokens nobody can forge, and refresh tokens that belong to one generation of one login session."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from actors.domain.refusals import Unauthenticated
from tests.transport.signing import Clock, Keys
from transport.tokens import Tokens, follow, read_refresh_token, refresh_token

USER = "018f0000-0000-7000-8000-000000000001"
SESSION = "018f0000-0000-7000-8000-000000000002"
START = Clock().at
OURS, OLDER, FOREIGN = (Ed25519PrivateKey.generate() for _ in range(3))
ORDER_OF_THE_CURVE = 2**252 + 27742317777372353535851937790883648493


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(Keys("k2", {"k1": OLDER, "k2": OURS}), issuer="lifebuddy", timers=clock)


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def claims(**changed: Any) -> dict[str, Any]:
    now = int(START.timestamp())
    good = {
        "iss": "lifebuddy",
        "aud": "lifebuddy",
        "sub": USER,
        "sid": SESSION,
        "jti": "A" * 22,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "amr": ["pwd"],
        "scope": "app",
        "gen": 1,
        "role": "user",
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not ...}


def header(**changed: Any) -> dict[str, Any]:
    good = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k2"}
    return {name: value for name, value in {**good, **changed}.items() if value is not ...}


def signed(head: Any, payload: Any, sign: Callable[[bytes], bytes] = OURS.sign) -> str:
    parts = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{parts}.{b64(sign(parts.encode()))}"


def twice(members: dict[str, Any], name: str, value: Any) -> bytes:
    """JSON with one member said twice, the good one last."""
    return f"{{{json.dumps(name)}: {json.dumps(value)}, {json.dumps(members)[1:]}".encode()


def signed_raw(head: bytes, payload: bytes) -> str:
    parts = f"{b64(head)}.{b64(payload)}"
    return f"{parts}.{b64(OURS.sign(parts.encode()))}"


def hmac_with_public_key(message: bytes) -> bytes:
    return hmac.digest(OURS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), message, "sha512")


def other_s(message: bytes) -> bytes:
    """The same signature with S + L: accepted by verifiers that don't check its range (RFC 8032, 5.1.7)."""
    signature = OURS.sign(message)
    number = int.from_bytes(signature[32:], "little") + ORDER_OF_THE_CURVE
    return signature[:32] + number.to_bytes(32, "little")


NOW = int(START.timestamp())
OUR_JWK = {"kty": "OKP", "crv": "Ed25519", "x": b64(FOREIGN.public_key().public_bytes_raw())}
GOOD = signed(header(), claims())
_HEAD, _PAYLOAD, _SIGNATURE = GOOD.split(".")

FORGED = {
    # keys and algorithms
    "a foreign key": signed(header(), claims(), FOREIGN.sign),
    "another of our keys": signed(header(kid="k1"), claims()),
    "an unknown kid": signed(header(kid="k3"), claims()),
    "no kid": signed(header(kid=...), claims()),
    "a kid that is a path": signed(header(kid="../../dev/null"), claims()),
    "a kid that is no text": signed(header(kid=2), claims()),
    "alg none, no signature": f"{b64(json.dumps(header(alg='none')).encode())}.{_PAYLOAD}.",
    "alg none, with a signature": signed(header(alg="none"), claims()),
    "alg HS256 with the public key": signed(header(alg="HS256"), claims(), hmac_with_public_key),
    "alg HS512 with the public key": signed(header(alg="HS512"), claims(), hmac_with_public_key),
    "alg ES256": signed(header(alg="ES256"), claims()),
    "alg eddsa": signed(header(alg="eddsa"), claims()),
    "no alg": signed(header(alg=...), claims()),
    # headers that bring or name a key, or change the rules
    "jwk": signed(header(jwk=OUR_JWK), claims(), FOREIGN.sign),
    "jwk, well signed": signed(header(jwk=OUR_JWK), claims()),
    "jku": signed(header(jku="https://evil.example/jwks.json"), claims()),
    "x5u": signed(header(x5u="https://evil.example/cert"), claims()),
    "x5c": signed(header(x5c=["MIIB"]), claims()),
    "crit": signed(header(crit=["exp"]), claims()),
    "b64 false": signed(header(b64=False, crit=["b64"]), claims()),
    "zip": signed(header(zip="DEF"), claims()),
    "cty": signed(header(cty="JWT"), claims()),
    # types
    "typ JWT": signed(header(typ="JWT"), claims()),
    "typ missing": signed(header(typ=...), claims()),
    "a header that is a list": signed([header()], claims()),
    "claims that are a list": signed(header(), [claims()]),
    # claims
    **{f"without {name}": signed(header(), claims(**{name: ...})) for name in claims()},
    "another issuer": signed(header(), claims(iss="elsewhere")),
    "another audience": signed(header(), claims(aud="elsewhere")),
    "a list of audiences": signed(header(), claims(aud=["lifebuddy", "elsewhere"])),
    "expired": signed(header(), claims(iat=NOW - 606, nbf=NOW - 606, exp=NOW - 6)),
    "not yet": signed(header(), claims(nbf=NOW + 6)),
    "from the future": signed(header(), claims(iat=NOW + 6)),
    "good for a year": signed(header(), claims(exp=NOW + 31_536_000)),
    "exp as text": signed(header(), claims(exp=str(NOW + 600))),
    "exp as infinity": signed(header(), claims(exp=1e308)),
    "exp is true": signed(header(), claims(exp=True)),
    "a user that is no id": signed(header(), claims(sub="admin")),
    "a user that is an object": signed(header(), claims(sub={"$ne": ""})),
    "generation 0": signed(header(), claims(gen=0)),
    "another scope": signed(header(), claims(scope="admin")),
    "one claim more": signed(header(), claims(admin=True)),
    "a role there is not": signed(header(), claims(role="root")),
    "two roles": signed(header(), claims(role=["user", "admin"])),
    "a better role": f"{_HEAD}.{b64(json.dumps(claims(role='admin')).encode())}.{_SIGNATURE}",
    # members said twice: readers differ in which they take
    "alg twice": signed_raw(twice(header(), "alg", "none"), json.dumps(claims()).encode()),
    "kid twice": signed_raw(twice(header(), "kid", "k1"), json.dumps(claims()).encode()),
    "sub twice": signed_raw(json.dumps(header()).encode(), twice(claims(), "sub", SESSION)),
    "exp twice": signed_raw(json.dumps(header()).encode(), twice(claims(), "exp", 1)),
    "x5t": signed(header(x5t="c29tZSBjZXJ0"), claims()),
    "a kid with NUL": signed(header(kid="k2\0"), claims()),
    "a kid that is a query": signed(header(kid="' OR '1'='1"), claims()),
    # the text itself
    "nothing": "",
    "dots": "..",
    "two parts": f"{_HEAD}.{_PAYLOAD}",
    "four parts": f"{GOOD}.{_SIGNATURE}",
    "no signature": f"{_HEAD}.{_PAYLOAD}.",
    "half a signature": f"{_HEAD}.{_PAYLOAD}.{_SIGNATURE[:43]}",
    "another payload": f"{_HEAD}.{b64(json.dumps(claims(sub=SESSION)).encode())}.{_SIGNATURE}",
    "another header": f"{b64(json.dumps(header(kid='k1')).encode())}.{_PAYLOAD}.{_SIGNATURE}",
    "padding": f"{GOOD}==",
    "junk in the signature": f"{_HEAD}.{_PAYLOAD}.!{_SIGNATURE}",
    "a space after": f"{GOOD} ",
    "a line after": f"{GOOD}\n",
    "spare bits set": GOOD[:-1] + chr(ord(GOOD[-1]) + 1),
    "S beyond the order of the curve": signed(header(), claims(), other_s),
    "not base64": "a.b.c",
    "not ASCII": GOOD.replace("e", "е"),  # noqa: RUF001 - a Cyrillic letter is what is tested
    "a lone surrogate": "\udc80" + GOOD,
    "very long": GOOD + "A" * 100_000,
    "deeply nested": signed(header(), json.loads("[" * 500 + "]" * 500)),
}


def test_there_are_enough_forgeries() -> None:
    assert len(set(FORGED.values())) == len(FORGED) >= 40


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_the_pattern_of_the_forgeries_is_good_itself(tokens: Tokens) -> None:
    identity = tokens.verify(GOOD)
    assert (identity.user_id, identity.session_id, identity.generation) == (USER, SESSION, 1)


def test_an_issued_token_says_who_until_when(tokens: Tokens) -> None:
    token = tokens.issue(USER, SESSION, 7)
    identity = tokens.verify(token)
    assert (identity.user_id, identity.session_id, identity.generation) == (USER, SESSION, 7)
    assert identity.expires_at == START + timedelta(minutes=10)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "at+jwt", "kid": "k2"}
    assert token != tokens.issue(USER, SESSION, 7)


def test_a_remembered_token_ends_on_time_all_the_same(tokens: Tokens, clock: Clock) -> None:
    token = tokens.issue(USER, SESSION, 1)
    tokens.verify(token)
    clock.at = START + timedelta(minutes=10, seconds=4)
    assert tokens.verify(token).user_id == USER
    clock.at = START + timedelta(minutes=10, seconds=5)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            tokens.verify(token)


def test_no_more_tokens_are_remembered_than_the_bound(clock: Clock) -> None:
    tokens = Tokens(Keys("k2", {"k2": OURS}), issuer="lifebuddy", timers=clock, remembered=3)
    for generation in range(1, 10):
        tokens.verify(tokens.issue(USER, SESSION, generation))
    assert len(tokens._verified) == 3


def test_keys_rotate_and_a_withdrawn_one_is_refused_at_once(tokens: Tokens) -> None:
    before = tokens.issue(USER, SESSION, 1)
    tokens.verify(before)
    tokens.replace(Keys("k3", {"k2": OURS, "k3": FOREIGN}))
    after = tokens.issue(USER, SESSION, 1)
    assert jwt.get_unverified_header(after)["kid"] == "k3"
    assert tokens.verify(before) == tokens.verify(after)
    tokens.replace(Keys("k3", {"k3": FOREIGN}))
    with pytest.raises(Unauthenticated):
        tokens.verify(before)
    assert tokens.verify(after).user_id == USER


async def test_new_keys_are_read_without_a_restart_and_bad_ones_change_nothing(tokens: Tokens) -> None:
    given: list[Keys | None] = [None, Keys("k9", {"k2": OURS, "k9": FOREIGN})]
    loop, all_read = asyncio.get_running_loop(), asyncio.Event()

    def read() -> Keys:
        if not given:  # both have been read, and what was good has been taken
            loop.call_soon_threadsafe(all_read.set)
        keys = given.pop(0) if given else None
        if keys is None:
            raise ValueError("half a file")
        return keys

    following = asyncio.create_task(follow(tokens, read, every=0), name="follow")
    async with asyncio.timeout(5):
        await all_read.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert jwt.get_unverified_header(tokens.issue(USER, SESSION, 1))["kid"] == "k9"


def test_public_keys_alone_let_others_verify(tokens: Tokens) -> None:
    keys = jwt.PyJWKSet.from_dict(tokens.jwks())
    token = tokens.issue(USER, SESSION, 1)
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    read = jwt.decode(token, keys["k2"], algorithms=["EdDSA"], audience="lifebuddy", options=options)
    assert read["sub"] == USER
    for key in tokens.jwks()["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}


def test_a_refresh_token_belongs_to_one_generation_of_one_session() -> None:
    token = refresh_token(SESSION, 3, b"key")
    assert token == refresh_token(SESSION, 3, b"key")
    presented = read_refresh_token(token)
    assert (presented.session_id, presented.generation) == (SESSION, 3)
    assert presented.made_with(b"key")
    assert not presented.made_with(b"other")
    mac = token.rpartition(".")[2]
    assert not read_refresh_token(f"{SESSION}.4.{mac}").made_with(b"key")
    assert not read_refresh_token(f"{USER}.3.{mac}").made_with(b"key")


@pytest.mark.parametrize(
    "text",
    ["", "..", f"{SESSION}.3", f"{SESSION}.3.short", f"{SESSION}.-1.{'A' * 43}", f"{SESSION}.03.{'A' * 43}"],
)
def test_what_is_no_refresh_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read_refresh_token(text)
