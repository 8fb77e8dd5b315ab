"""Identifiers: UUIDv7 made from a given time, their time read back, and ids derived from other ids."""

import os
import uuid
from datetime import UTC, datetime, timedelta
from hashlib import sha1

# RFC 9562, section 5.7: 48 bits of Unix milliseconds, version, 12 random bits, variant, 62 random bits.
_VERSION_AND_VARIANT = 0x7 << 76 | 0x2 << 62
_RANDOM = 0xFFF << 64 | (1 << 62) - 1
_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NAMESPACE = uuid.NAMESPACE_OID.bytes
_TEXT = 36


def uuid7(at: datetime) -> str:
    """A fresh UUIDv7 (RFC 9562) whose first 48 bits are `at` in Unix milliseconds."""
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM
    return _text(f"{(at - _EPOCH) // _MILLISECOND << 80 | _VERSION_AND_VARIANT | random:032x}")


def milliseconds(identifier: str) -> int | None:
    """The Unix milliseconds inside a UUIDv7 in its usual text form, or None for any other identifier."""
    if len(identifier) != _TEXT or identifier[14] != "7":
        return None
    try:
        return int(identifier[:8] + identifier[9:13], 16)
    except ValueError:
        return None


def derived(origin: str, kind: str) -> str:
    """The same id for the same origin and kind, for ever: what makes doing an effect twice have one effect.

    A UUIDv5 (RFC 9562, section 5.5) in the namespace of object ids, without the standard library's detour over ints.
    """
    digest = bytearray(sha1(_NAMESPACE + f"{origin}/{kind}".encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return _text(digest.hex())


def _text(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
