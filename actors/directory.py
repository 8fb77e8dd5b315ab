"""From an address to a reference: here, or woken now."""

from actors.domain.addresses import session_address
from actors.runtime.ref import Ref
from actors.runtime.system import System


class Directory:
    def __init__(self, system: System) -> None:
        self._system = system

    def session(self, user_id: str) -> Ref:
        """The session actor of a user; it wakes with the first message."""
        return self._system.ref(session_address(user_id))
