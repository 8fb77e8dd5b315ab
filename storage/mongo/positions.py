"""The `_id` of a log document: its address and the seq of its first event."""

from zlib import crc32

DIGITS = 10
LAST: int = 10**DIGITS - 1


def position(address: str, s: int) -> str:
    """The `_id` of the document whose first event is `s`: `{crc32(address):08x}/{address}/{s:010d}`.

    The hash in front spreads addresses over shards; within an address the order of ids is the order of the log.
    """
    if not address or "/" in address or not 0 <= s <= LAST:
        raise ValueError("an address is not empty and has no slash; positions have ten digits")
    return f"{crc32(address.encode()):08x}/{address}/{s:010d}"


def first_seq(identifier: str) -> int:
    """The first seq of the document with that `_id`, which is taken for one."""
    return int(identifier[-DIGITS:])


def parse(identifier: str) -> tuple[str, int]:
    """Address and first seq of the document with that `_id`. Raises ValueError for any other text."""
    _, address, digits = identifier.split("/")
    s = int(digits)
    if position(address, s) != identifier:
        raise ValueError("not a position")
    return address, s
