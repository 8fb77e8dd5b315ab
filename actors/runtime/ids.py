"""Identifiers: UUIDv7 made from a given time, their time read back, and ids derived from other ids."""

import os
import uuid
from datetime import datetime

# RFC 9562, section 5.7: 48 bits of Unix milliseconds, version, 12 random bits, variant, 62 random bits.
_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


def uuid7(at: datetime) -> str:
    """A fresh UUIDv7 (RFC 9562) whose first 48 bits are `at` in Unix milliseconds."""
    random = int.from_bytes(os.urandom(10), "big")
    milliseconds = int(at.timestamp() * 1000) & 0xFFFFFFFFFFFF
    value = (milliseconds << 80) | _VERSION_7 | ((random >> 62 & 0xFFF) << 64) | _VARIANT | (random & (1 << 62) - 1)
    return str(uuid.UUID(int=value))


def milliseconds(identifier: str) -> int | None:
    """The Unix milliseconds inside a UUIDv7, or None for any other identifier."""
    try:
        parsed = uuid.UUID(identifier)
    except ValueError:
        return None
    return parsed.int >> 80 if parsed.version == 7 else None


def derived(origin: str, kind: str) -> str:
    """The same id for the same origin and kind, for ever: what makes doing an effect twice have one effect."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{origin}/{kind}"))
