"""Whose request it is: what proxies say is believed as far as they are trusted."""

from ipaddress import ip_address, ip_network

import pytest

from transport.addresses import UNKNOWN, client_address, subscriber

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),  # whoever says so is no proxy of ours
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),  # what stands before was made up by the client
        ("10.0.0.1", ["192.0.2.66", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),  # two proxies, two headers
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        (None, ["198.51.100.1"], str(UNKNOWN)),
    ],
)
def test_the_last_address_no_proxy_of_ours_has(peer: str | None, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, PROXIES) == ip_address(client)


def test_an_ipv6_subscriber_is_one_whatever_address_of_the_network_is_used() -> None:
    assert subscriber(ip_address("2001:db8::1")) == subscriber(ip_address("2001:db8::ffff:1")) == "2001:db8::/64"
    assert subscriber(ip_address("2001:db8:0:1::1")) != subscriber(ip_address("2001:db8::1"))
    assert subscriber(ip_address("203.0.113.7")) == "203.0.113.7"
