"""What joins a node to the others, and has it leave: who is told what the mesh brings, and of other nodes' ends."""

from collections.abc import Sequence
from typing import Protocol

from actors.directory import Directory
from actors.domain.addresses import owner
from transport.mesh.redis import RedisMesh
from transport.sockets.outbox import LocalOutbox


class Membership(Protocol):
    """A node among the others."""

    async def others(self) -> Sequence[str]:
        """Who else lives and does not drain."""

    async def drain(self) -> None:
        """Say that this node is leaving."""


def join(mesh: RedisMesh, directory: Directory, outbox: LocalOutbox) -> None:
    mesh.arrived, mesh.undelivered, mesh.on_hint = directory.arrived, directory.undelivered, outbox.take
    mesh.on_gap = outbox.renew_all
    directory.on_moved = lambda addresses: outbox.renew_soon([owner(address) for address in addresses])


async def leave(membership: Membership, directory: Directory, outbox: LocalOutbox) -> None:
    """From now on nobody wakes here, and the devices that are still here are served by other nodes' sessions."""
    outbox.leaving = True
    directory.leave_to(await membership.others())
    await membership.drain()
