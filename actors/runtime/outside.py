"""What the runtime needs from outside, one small Protocol each."""

from collections.abc import Callable
from typing import Any, Protocol

from actors.runtime.envelope import Envelope


class Placement(Protocol):
    """Which node an address lives on. Routes only: safety is the log's."""

    def valid(self) -> bool:
        """Whether this node's lease holds: a comparison of clocks, no I/O."""

    async def claim(self, address: str) -> None:
        """Place the address here. Raises Unavailable when it can't be claimed, NotHere when it lives elsewhere."""

    async def holds(self, address: str) -> bool:
        """Whether this node is the holder now, looked up. Raises Unavailable when that can't be read."""

    async def release(self, address: str) -> None:
        """Give the address up, if it is still ours. Never raises: an address nobody frees lapses with the node."""


class Mesh(Protocol):
    """Carries messages to other nodes, at most once each."""

    def send(self, node: str, address: str, envelope: Envelope) -> None:
        """To the node that has the address. Raises Unavailable, Overloaded. What comes back settles its reply."""

    def forget(self, node: str) -> None:
        """The node is gone: what was asked there will not be answered."""


Report = Callable[[str, dict[str, Any]], None]
"""How the runtime tells that something is wrong: a stable event name and fields without personal data."""
