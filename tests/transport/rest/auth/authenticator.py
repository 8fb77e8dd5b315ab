"""A browser and the authenticator behind it (WebAuthn, Level 3), which obey, or lie on cue."""

import dataclasses
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, ATTESTED, ORIGIN = 0x01, 0x04, 0x40, "https://app.example"
ES256: Final = -7


@dataclasses.dataclass(kw_only=True)
class Lies:
    """What differs from the truth; without any, a browser that is honest and a person who was recognised."""

    origin: str = ORIGIN
    domain: str | None = None
    flags: int = PRESENT | VERIFIED
    kind: str | None = None
    challenge: str | None = None
    framed: bool = False
    algorithm: int = ES256
    point: bytes | None = None
    signed: bytes = b""
    owner: str | None = None


@dataclasses.dataclass
class Authenticator:
    """One key. `counter` None: it does not count, as those that are synced."""

    counter: int | None = 0
    credential: bytes = dataclasses.field(default_factory=lambda: os.urandom(32))
    key: ec.EllipticCurvePrivateKey = dataclasses.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    owner: str = ""

    def create(self, options: dict[str, Any], lies: Lies | None = None) -> dict[str, Any]:
        """`RegistrationResponseJSON`."""
        lies, asked = lies or Lies(), options["public_key"]
        self.owner = asked["user"]["id"]
        named = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential
        told = self._told(lies.domain or asked["rp"]["id"], lies.flags | ATTESTED) + named + self._public(lies)
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": told})
        said = _said(lies.kind or "webauthn.create", asked["challenge"], lies)
        return self._answer({"clientDataJSON": _text(said), "attestationObject": _text(attestation)})

    def get(self, options: dict[str, Any], lies: Lies | None = None) -> dict[str, Any]:
        """`AuthenticationResponseJSON`; each counts one more."""
        lies, asked = lies or Lies(), options["public_key"]
        if self.counter is not None:
            self.counter += 1
        told = self._told(lies.domain or asked["rpId"], lies.flags)
        said = _said(lies.kind or "webauthn.get", asked["challenge"], lies)
        signature = self.key.sign(told + sha256(said).digest() + lies.signed, ec.ECDSA(hashes.SHA256()))
        parts = {"clientDataJSON": said, "authenticatorData": told, "signature": signature}
        owner = self.owner if lies.owner is None else _text(lies.owner.encode())
        return self._answer({**{name: _text(part) for name, part in parts.items()}, "userHandle": owner})

    def _told(self, domain: str, flags: int) -> bytes:
        return sha256(domain.encode()).digest() + bytes((flags,)) + (self.counter or 0).to_bytes(4, "big")

    def _public(self, lies: Lies) -> bytes:
        point = self.key.public_key().public_numbers()
        x, y = lies.point or point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        return bytes(encode_cbor({1: 2, 3: lies.algorithm, -1: 1, -2: x, -3: y}))

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        named = _text(self.credential)
        beside = {"authenticatorAttachment": "platform", "clientExtensionResults": {}}
        return {"id": named, "rawId": named, "type": "public-key", "response": response, **beside}


def _said(kind: str, challenge: str, lies: Lies) -> bytes:
    words = {"type": kind, "challenge": lies.challenge or challenge, "origin": lies.origin, "crossOrigin": lies.framed}
    return json.dumps(words).encode()


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


def read(text: str) -> bytes:
    """Base64url."""
    return urlsafe_b64decode(text + "===")
