"""Every command an app may send is promised something, and nothing is promised beside them."""

from actors.commands import PUBLIC
from transport.contract.promises import PROMISES


def test_every_public_command_has_its_promise() -> None:
    assert PROMISES.keys() == PUBLIC.keys()
