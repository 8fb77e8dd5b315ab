"""A node that drains: who asks for what it no longer serves is sent to nodes that stay, and is answered there."""

import asyncio
from typing import Any

import pytest

from actors.directory import Directory
from actors.domain.addresses import session_address
from actors.runtime.envelope import Envelope, NotHere, Refused, Unavailable
from actors.runtime.system import System
from tests.runtime.busy import make, now
from tests.runtime.memory import Reports
from tests.virtual import run_virtually

HOP = 0.001
"""Seconds between two nodes."""
ANN = "ann"


class Places:
    """What the nodes of a fleet share: who holds what."""

    def __init__(self) -> None:
        self.holders: dict[str, str] = {}
        self.nodes: dict[str, Station] = {}


class Placed:
    """The runtime's Placement of one node."""

    def __init__(self, node: str, places: Places) -> None:
        self._node, self._places = node, places
        self.draining = False

    def valid(self) -> bool:
        return True

    async def claim(self, address: str) -> None:
        await asyncio.sleep(HOP)
        if self.draining:
            raise NotHere
        holder = self._places.holders.setdefault(address, self._node)
        if holder != self._node:
            raise NotHere(holder)

    async def holds(self, address: str) -> bool:
        return self._places.holders.get(address) == self._node

    async def release(self, address: str) -> None:
        await asyncio.sleep(100 * HOP)
        if await self.holds(address):
            del self._places.holders[address]


class Station:
    """A node's inside, and the runtime's Mesh to the others."""

    def __init__(self, name: str, places: Places) -> None:
        self.name, self._places = name, places
        self.placement = Placed(name, places)
        self.system = System(make(), placement=self.placement, report=Reports())
        self.directory = Directory(self.system, self, name)
        self.system.undelivered = self.directory.undelivered
        self.moved: list[str] = []
        self.directory.on_moved = self.moved.extend
        places.nodes[name] = self

    def send(self, node: str, address: str, envelope: Envelope) -> None:
        asyncio.get_running_loop().call_later(HOP, self._deliver, node, address, envelope)

    def forget(self, node: str) -> None: ...

    async def ask(self, message: Any, user: str = ANN) -> Any:
        return await self.directory.session(user).ask(message, timeout=5)

    async def drain(self, patience: float = 8.0) -> None:
        """As the composition root has it: nothing is claimed from the first stage on."""
        self.directory.leave_to([name for name in self._places.nodes if name != self.name])
        self.placement.draining = True
        await self.system.drain(patience)

    def heard(self, user: str = ANN) -> list[Any]:
        cell = self.system._cells.get(session_address(user))
        return cell.actor.heard if cell is not None else []  # type: ignore[attr-defined]  # a Busy

    def _deliver(self, node: str, address: str, envelope: Envelope) -> None:
        far = Envelope(envelope.message, None, until=envelope.until, hops=envelope.hops)
        far.reply = None if envelope.reply is None else _Answer(self, address, envelope)
        try:
            self._places.nodes[node].directory.arrived(address, far)
        except Refused as why:
            far.refuse(why)


class _Answer:
    """Where the far node answers: over the wire, with what was not at home sent on by the asker."""

    def __init__(self, station: Station, address: str, envelope: Envelope) -> None:
        self._station, self._address, self._envelope = station, address, envelope

    def done(self) -> bool:
        return self._envelope.reply is None or self._envelope.reply.done()

    def set_result(self, answer: Any, /) -> None:
        self._envelope.answer(answer)

    def set_exception(self, why: Refused, /) -> None:
        self._station.directory.undelivered(self._address, self._envelope, why)


def fleet(*names: str) -> list[Station]:
    places = Places()
    return [Station(name, places) for name in names]


class TestDraining:
    def test_who_is_connected_there_is_served_elsewhere_at_once(self) -> None:
        async def main() -> None:
            a, b = fleet("a", "b")
            async with a.system, b.system:
                assert await a.ask("hello") == "hello"
                await a.drain()
                began = now()
                assert await a.ask("again") == "again"
                assert now() - began < 0.1
                assert b.heard() == ["again"]
                assert a.moved == [session_address(ANN)]

        run_virtually(main())

    def test_who_has_something_in_hand_serves_on_until_its_children_are_done(self) -> None:
        async def main() -> None:
            a, b = fleet("a", "b")
            async with a.system, b.system:
                await a.ask(("child", 3))
                draining = asyncio.create_task(a.drain(), name="drain")
                await asyncio.sleep(1)
                assert await a.ask("meanwhile") == "meanwhile"
                assert await b.ask("from another node") == "from another node"
                assert b.heard() == []
                await draining
                assert now() == pytest.approx(3.1, abs=0.1)
                assert await a.ask("after") == "after"
                assert b.heard() == ["after"]

        run_virtually(main())

    def test_what_waits_at_the_end_and_what_comes_before_the_address_is_free_is_answered_elsewhere(self) -> None:
        async def main() -> None:
            a, b = fleet("a", "b")
            async with a.system, b.system:
                await a.ask("hello")
                asks = [asyncio.create_task(a.ask(1.0), name="in hand")]
                await asyncio.sleep(0.5)
                asks.append(asyncio.create_task(a.ask("waiting"), name="waiting"))
                draining = asyncio.create_task(a.drain(), name="drain")
                await asyncio.sleep(0.55)  # it has ended, and is giving up its address
                asks += [asyncio.create_task(station.ask(station.name), name="late") for station in (a, b)]
                assert await asyncio.gather(*asks) == [1.0, "waiting", "a", "b"]
                await draining
                assert set(b.heard()) == {"waiting", "a", "b"}

        run_virtually(main())

    def test_before_its_actors_end_nobody_is_woken_there_any_more(self) -> None:
        async def main() -> None:
            a, b = fleet("a", "b")
            async with a.system, b.system:
                a.placement.draining = True  # and nobody has told the directory yet
                waking = asyncio.create_task(a.ask("early"), name="waking")
                await asyncio.sleep(0)
                a.directory.leave_to(["b"])
                assert await waking == "early"
                assert await a.ask("new", "bo") == "new"
                assert b.heard("bo") == ["new"]

        run_virtually(main())

    def test_of_several_successors_one_that_drains_too_is_passed_by(self) -> None:
        async def main() -> None:
            a, b, c = fleet("a", "b", "c")
            async with a.system, b.system, c.system:
                await asyncio.gather(a.drain(), b.drain())
                for user in ("ann", "bo", "cy", "di"):
                    assert await a.ask("hello", user) == "hello"
                    assert c.heard(user) == ["hello"]

        run_virtually(main())

    def test_what_nobody_waits_for_wakes_nobody_elsewhere(self) -> None:
        async def main() -> None:
            a, b = fleet("a", "b")
            async with a.system, b.system:
                await a.drain()
                with pytest.raises(Unavailable):
                    a.directory.session(ANN).tell("gone")
                await asyncio.sleep(1)
                assert len(b.system) == 0

        run_virtually(main())

    def test_the_last_node_refuses(self) -> None:
        async def main() -> None:
            (a,) = fleet("a")
            async with a.system:
                await a.drain()
                with pytest.raises(Unavailable) as refused:
                    await a.ask("hello")
                assert refused.value.effect == "none"

        run_virtually(main())
