"""From an address to a reference: here, on another node, or woken now."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final, Protocol

from actors.domain.addresses import is_node, node_address, session_address
from actors.runtime.envelope import Envelope, NotHere, Refused, Unavailable
from actors.runtime.outside import Mesh
from actors.runtime.ref import Ref
from actors.runtime.system import System

REMEMBERED: Final = 100_000
"""Addresses whose node is remembered; of more, the one used least recently is looked up again."""
MAX_HOPS: Final = 4
"""How often a message is sent on: what was remembered may be old, a look-up overtaken, the node gone."""


class Whereabouts(Protocol):
    """Which other nodes live."""

    async def living(self, nodes: Collection[str]) -> Collection[str]:
        """Those of them whose lease has not ended. Raises Unavailable when that can't be read."""


class Directory:
    """First contact wakes an actor here, unless placement says that another living node has it.

    `attend` takes what this node itself is asked.
    """

    def __init__(self, system: System, mesh: Mesh | None = None, node: str = "") -> None:
        self.on_moved: Callable[[Collection[str]], None] = lambda _: None
        self.attend: Callable[[Envelope], None] = _nobody
        self._node = node
        self._system = system
        self._mesh = mesh
        self._node_of: OrderedDict[str, str] = OrderedDict()
        self._addresses_of: dict[str, set[str]] = {}
        self._successors: Sequence[str] = ()

    def session(self, user_id: str) -> Ref:
        """The session actor of a user, wherever it lives; it wakes with the first message."""
        address = session_address(user_id)
        return Ref(address, partial(self.deliver, address))

    def at(self, node: str) -> Ref:
        """A node itself, which is asked for many of its sessions at once; nobody is woken there."""
        return Ref(node_address(node), partial(self._ask_node, node))

    def whereabouts(self, user_id: str) -> str | None:
        """The node the user's session is known to be awake at."""
        address = session_address(user_id)
        return self._node if address in self._system else self._node_of.get(address)

    def deliver(self, address: str, envelope: Envelope) -> None:
        """To wherever the address was last known to live. Raises Overloaded, Unavailable."""
        node = self._node_of.get(address) or self._successor(address, envelope)
        if node is None or self._mesh is None:
            self._system.deliver(address, envelope)
        else:
            self._node_of.move_to_end(address)
            self._mesh.send(node, address, envelope)

    def arrived(self, address: str, envelope: Envelope) -> None:
        """From another node, whose memory may be old: it looks the placement up before it insists.

        Raises NotHere, Overloaded, Unavailable.
        """
        if is_node(address):
            self.attend(envelope)
            return
        if envelope.hops == 0 and envelope.reply is not None and address not in self._system:
            raise NotHere
        if envelope.reply is not None:
            envelope.hops = MAX_HOPS  # refused rather than sent on: its asker learns where to ask
        self._system.deliver(address, envelope)

    def undelivered(self, address: str, envelope: Envelope, why: Refused) -> None:
        """What was not at home is sent on to where it lives; anything else is its asker's to know."""
        if not isinstance(why, NotHere) or envelope.hops >= MAX_HOPS or is_node(address):
            envelope.refuse(why)
            return
        envelope.hops += 1
        envelope.begun = False
        self._forget(address)
        if why.node:
            self._remember(address, why.node)
        try:
            self.deliver(address, envelope)
        except Refused as refusal:
            envelope.refuse(refusal)

    def leave_to(self, nodes: Sequence[str]) -> None:
        """The node drains: who asks for what is not awake here, or no longer, is sent to these."""
        self._successors = nodes

    async def watch(self, whereabouts: Whereabouts, every: float) -> None:
        """For ever, forget the nodes that are gone; `on_moved` is told which addresses were known to live there."""
        while True:
            await asyncio.sleep(every)
            try:
                living = await whereabouts.living(self._addresses_of.keys())
            except Unavailable:
                continue
            for node in self._addresses_of.keys() - living:
                self.lost(node)

    def lost(self, node: str) -> None:
        """The node is gone: nothing that was asked there will be answered."""
        addresses = self._addresses_of.pop(node, set())
        for address in addresses:
            del self._node_of[address]
        if self._mesh is not None:
            self._mesh.forget(node)
        self.on_moved(addresses)

    def _ask_node(self, node: str, envelope: Envelope) -> None:
        if node == self._node or self._mesh is None:
            self.attend(envelope)
        else:
            self._mesh.send(node, node_address(node), envelope)

    def _successor(self, address: str, envelope: Envelope) -> str | None:
        """Where a draining node has an address wake that somebody waits for; turned away there, the next one is asked."""
        if not self._successors or envelope.reply is None or address in self._system:
            return None
        attempt = envelope.hops // 2  # there, and back
        node = self._successors[(hash(address) + attempt) % len(self._successors)]
        envelope.hops += 1  # it is woken there
        self._remember(address, node)
        self.on_moved([address])
        return node

    def _remember(self, address: str, node: str) -> None:
        self._node_of[address] = node
        self._addresses_of.setdefault(node, set()).add(address)
        if len(self._node_of) > REMEMBERED:
            self._forget(next(iter(self._node_of)))

    def _forget(self, address: str) -> None:
        node = self._node_of.pop(address, None)
        if node is None:
            return
        addresses = self._addresses_of[node]
        addresses.discard(address)
        if not addresses:
            del self._addresses_of[node]


def _nobody(_: Envelope) -> None:
    raise NotHere
