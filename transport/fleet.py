"""What joins a node to the others: who is told what the mesh brings, and what has become of other nodes."""

from actors.directory import Directory
from actors.domain.addresses import owner
from transport.mesh.redis import RedisMesh
from transport.sockets.outbox import LocalOutbox


def join(mesh: RedisMesh, directory: Directory, outbox: LocalOutbox) -> None:
    mesh.arrived, mesh.undelivered, mesh.on_hint = directory.arrived, directory.undelivered, outbox.take
    mesh.on_gap = outbox.renew_all
    directory.on_moved = lambda addresses: outbox.renew_soon([owner(address) for address in addresses])
