"""How addresses are written."""

from actors.domain.addresses import owner, session_address


def test_a_session_is_its_users() -> None:
    assert owner(session_address("ann")) == "ann"
    assert owner("conversation:7") == "conversation:7"
