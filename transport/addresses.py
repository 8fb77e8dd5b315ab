"""Whose request it is by its network address, through the proxies that are trusted and no others."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN: Final = IPv6Address(0)
"""Of a peer without an address, such as one on a Unix socket."""
_SUBSCRIBER: Final = 64
"""A subscriber has at least a /64 of IPv6 (RFC 6177) and may change addresses in it at will."""


def client_address(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> Address:
    """The last address in `X-Forwarded-For` that no trusted proxy has, or the peer's.

    Each proxy appends whom it was asked by, so what stands left of an address that is not trusted may be made up.
    """
    client = _read(peer or "") or UNKNOWN
    chain = [part for line in forwarded for part in line.split(",")]
    while chain and any(client in network for network in trusted):
        before = _read(chain.pop())
        if before is None:
            break
        client = before
    return client


def comes_from(peer: str | None, networks: Sequence[Network]) -> bool:
    """Whether the peer itself has an address in one of these networks."""
    address = _read(peer or "")
    return address is not None and any(address in network for network in networks)


def subscriber(address: Address) -> str:
    """What limits count by: an IPv4 address, or the /64 of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _SUBSCRIBER), strict=False))


@lru_cache(maxsize=4096)
def _read(text: str) -> Address | None:
    """Of `address`, `address:port` or `[address]:port`; an IPv4 address inside an IPv6 one is the IPv4 address."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
