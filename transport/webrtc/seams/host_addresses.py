"""Loopback as a host candidate: aioice leaves it out, and one machine needs nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

from aioice import ice

from transport.webrtc.seams.unfit import unfit

LOOPBACK = "127.0.0.1"


@contextmanager
def loopback_only() -> Iterator[None]:
    """Whoever gathers candidates in this process offers 127.0.0.1, and no other address."""
    stock = getattr(ice, "get_host_addresses", None)
    if stock is None:
        unfit("host_addresses")
        yield
        return
    ice.get_host_addresses = _loopback
    try:
        yield
    finally:
        ice.get_host_addresses = stock


def _loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001, ARG001 - aioice's own signature
    return [LOOPBACK] if use_ipv4 else []
