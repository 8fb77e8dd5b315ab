"""Ways to reach a client: which are taken."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from actors.domain.refusals import BadCandidate

NOWHERE: Final = ip_network("0.0.0.0/8")
"""This host on this network (RFC 791)."""
MOST: Final = 40
"""Candidates of one peer; more are dropped."""
LONGEST: Final = 512
"""Characters of one."""


def read_candidate(text: str) -> RTCIceCandidate:
    """As `RTCIceCandidate.candidate` has it in a browser, with or without its prefix. Raises BadCandidate."""
    if len(text) > LONGEST:
        raise BadCandidate
    try:
        candidate = candidate_from_sdp(text.strip().removeprefix("a=").removeprefix("candidate:"))
    except (ValueError, LookupError, AssertionError) as garbage:
        raise BadCandidate from garbage
    if not (0 <= candidate.port < 1 << 16 and 0 <= candidate.priority < 1 << 32):
        raise BadCandidate
    return candidate


def useful(candidate: RTCIceCandidate) -> bool:
    """Over UDP, to an address. One with a name (mDNS) reaches us by itself, by its checks."""
    if candidate.protocol.lower() != "udp" or candidate.component != 1 or candidate.port == 0:
        return False
    return candidate.type in {"host", "srflx", "relay"} and _address(candidate.ip) is not None


def forbidden(candidate: RTCIceCandidate, *, loopback: bool, public: bool) -> bool:
    """Nothing is sent there: this machine itself unless `loopback`, its link with the metadata of clouds, many at once.

    A `public` node is reached from private addresses by their own checks only.
    """
    address = _address(candidate.ip)
    if address is None:
        return True
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return not loopback
    unreachable = address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
    unreachable = unreachable or address in NOWHERE
    return unreachable or (public and address.is_private)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
