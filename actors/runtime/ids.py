"""Identifiers: UUIDv7 made from a given time, their time read back, and ids derived from other ids."""

import os
import uuid
from datetime import UTC, datetime, timedelta

# RFC 9562, section 5.7: 48 bits of Unix milliseconds, version, 12 random bits, variant, 62 random bits.
_VERSION_AND_VARIANT = 0x7 << 76 | 0x2 << 62
_RANDOM = 0xFFF << 64 | (1 << 62) - 1
_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)


def uuid7(at: datetime) -> str:
    """A fresh UUIDv7 (RFC 9562) whose first 48 bits are `at` in Unix milliseconds."""
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM
    return str(uuid.UUID(int=(at - _EPOCH) // _MILLISECOND << 80 | _VERSION_AND_VARIANT | random))


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
