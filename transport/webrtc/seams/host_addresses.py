"""The addresses a node is reached by; loopback among them, which aioice leaves out, where one machine needs nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from aioice import ice

from transport.webrtc.seams.unfit import unfit

LOOPBACK = "127.0.0.1"


def has_public_address() -> bool:
    """Whether clients reach this machine's IPv4 address from anywhere, so that no server need tell it who it is."""
    stock = getattr(ice, "get_host_addresses", None)
    if stock is None:
        unfit("host_addresses")
        return False
    return any(ip_address(one).is_global for one in stock(use_ipv4=True, use_ipv6=False))


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
