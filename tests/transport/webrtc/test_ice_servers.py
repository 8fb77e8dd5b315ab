"""STUN and TURN for clients."""

from transport.webrtc.ice_servers import IceServers, credential

TURN = ("turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349")


def servers(stun: tuple[str, ...] = (), turn: tuple[str, ...] = ()) -> IceServers:
    return IceServers(stun, turn, "north", 3600, lambda: 1_700_000_000.9)


def test_without_any_there_are_none() -> None:
    assert servers().for_user("u") == []


def test_credentials_end_with_their_name() -> None:
    stun, turn = servers(("stun:stun.example.org",), TURN).for_user("u1")
    assert stun == {"urls": ["stun:stun.example.org"]}
    assert turn["urls"] == list(TURN)
    assert turn["username"] == "1700003600:u1"
    assert turn["credential"] == credential("north", "1700003600:u1")


def test_a_credential_is_what_a_turn_server_makes_of_the_name() -> None:
    """By `printf 1433895918:fred | openssl dgst -sha1 -hmac north -binary | base64`."""
    assert credential("north", "1433895918:fred") == "c9LJ2DK2IcpBQnGRodI89kOGZg8="
    assert credential("Jefe", "what do ya want for nothing?") == "7/zfauXrL6LSdBbV8YTfnCWafHk="  # RFC 2202, case 2


def test_a_node_that_is_not_reached_directly_asks_them_itself() -> None:
    (turn,) = servers(turn=TURN).for_node()
    assert turn.urls == list(TURN)
    assert turn.credential == credential("north", "1700003600:node")
