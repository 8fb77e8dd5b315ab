"""Which ways to reach a client are taken."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.refusals import BadCandidate
from transport.webrtc.candidates import forbidden, read_candidate, useful


def candidate(host: str, *, kind: str = "host", port: int = 50_000, transport: str = "udp", component: int = 1) -> str:
    return f"candidate:842163049 {component} {transport} 1677729535 {host} {port} typ {kind} generation 0 ufrag aB+/"


@pytest.mark.parametrize(
    "taken",
    [
        candidate("192.168.1.5"),
        candidate("2001:db8::7"),
        "a=" + candidate("203.0.113.9", kind="srflx", transport="UDP"),
    ],
)
def test_an_address_over_udp_is_a_way(taken: str) -> None:
    assert useful(read_candidate(taken))


@pytest.mark.parametrize(
    "passed_over",
    [
        candidate("4f2b3c1d-aaaa-bbbb-cccc-1234567890ab.local"),
        candidate("192.168.1.5", transport="tcp"),
        candidate("192.168.1.5", component=2),
        candidate("192.168.1.5", port=0),
        candidate("192.168.1.5", kind="prflx"),
        candidate("example.org"),
    ],
)
def test_what_leads_nowhere_is_passed_over(passed_over: str) -> None:
    assert not useful(read_candidate(passed_over))


@pytest.mark.parametrize(
    "garbage",
    [
        *(
            "",
            "candidate:",
            "1 2 3",
            candidate("1.2.3.4", port=70_000),
            candidate("1.2.3.4").replace("1677729535", "-1"),
        ),
        *(candidate("1.2.3.4").replace("50000", "http"), candidate("x" * 600), candidate("1.2.3.4") + " rport x"),
    ],
)
def test_what_is_no_candidate_is_refused(garbage: str) -> None:
    with pytest.raises(BadCandidate) as why:
        read_candidate(garbage)
    assert why.value.code == "call.candidate"


@given(st.text())
def test_whatever_is_sent_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadCandidate):
        assert read_candidate(text).port < 1 << 16


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1"),
        *("0.0.0.1", "::", "255.255.255.255", "::ffff:169.254.169.254"),
    ],
)
def test_a_node_sends_nothing_to_itself_or_to_its_cloud(host: str) -> None:
    assert forbidden(read_candidate(candidate(host)), loopback=False, public=False)


def test_one_machine_calls_itself() -> None:
    assert not forbidden(read_candidate(candidate("127.0.0.1")), loopback=True, public=False)
    assert forbidden(read_candidate(candidate("169.254.169.254")), loopback=True, public=False)


def test_a_public_node_does_not_look_into_networks_behind_it() -> None:
    private = read_candidate(candidate("10.0.0.9"))
    assert forbidden(private, loopback=False, public=True)
    assert not forbidden(private, loopback=False, public=False)
    assert not forbidden(read_candidate(candidate("8.8.8.8")), loopback=False, public=True)
