"""Draining: what is in hand is finished, what waits is refused, and it comes to an end."""

import asyncio
from typing import Any

import pytest

from actors.runtime.actor import ChildEnded
from actors.runtime.envelope import Unavailable
from tests.runtime.busy import Busy, asking, crash, make, now
from tests.runtime.memory import Node
from tests.virtual import run_virtually


class TestDraining:
    def test_the_message_in_hand_is_finished_what_waits_is_refused_nothing_new_is_taken(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                busy = await asking(node, 2.0)
                waiting = await asking(node, "waiting")
                await asyncio.sleep(1)
                draining = asyncio.create_task(node.system.drain(8), name="drain")
                await asyncio.sleep(0)
                for address in "ab":
                    with pytest.raises(Unavailable):
                        await node.ask("new", address=address)
                assert await busy == 2.0
                with pytest.raises(Unavailable) as refused:
                    await waiting
                assert refused.value.effect == "none"
                assert await draining == []
                assert now() == pytest.approx(2)
                assert node.placement.steps == ["claim a", "release a"]
                assert len(node.system) == 0

        run_virtually(main())

    def test_children_get_their_time_and_the_actor_hears_of_their_end(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                await node.ask(("child", 5))
                busy = await asking(node, 5.5, timeout=10)
                assert await node.system.drain(8) == []
                assert await busy == 5.5
                assert node.made[0].heard[-1] == ChildEnded("child", result="done")

        run_virtually(main())

    def test_a_child_may_still_ask_its_actor(self) -> None:
        class Asking(Busy):
            async def receive(self, message: Any) -> Any:
                if message == "go":
                    self.children.spawn("child", self._work())
                return await super().receive(message)

            async def _work(self) -> Any:
                await asyncio.sleep(3)
                return await self.me.ask("a tool", timeout=1)

        async def main() -> None:
            node = Node(Asking)
            async with node.system:
                await node.ask("go")
                assert await node.system.drain(8) == []
                assert node.made[0].heard == ["go", "a tool", ChildEnded("child", result="a tool")]

        run_virtually(main())

    def test_it_is_bounded_and_names_who_overstayed(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                await node.ask(("child", 100), address="a")
                stuck = await asking(node, 100.0, address="b", timeout=200)
                await node.ask("nothing to do", address="c")
                await asyncio.sleep(1)
                began = now()
                assert await node.system.drain(8) == ["a/child", "b"]
                assert now() - began <= 11
                with pytest.raises(Unavailable) as refused:
                    await stuck
                assert refused.value.effect == "unknown"
                assert sorted(node.placement.steps[-3:]) == ["release a", "release b", "release c"]

        run_virtually(main())

    def test_who_waits_to_be_restarted_does_not_hold_it_up(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                for _ in range(12):
                    await crash(node)
                waiting = await asking(node, "hello", timeout=100)
                await asyncio.sleep(1)
                began = now()
                assert await node.system.drain(8) == []
                assert now() == began
                with pytest.raises(Unavailable) as refused:
                    await waiting
                assert refused.value.effect == "none"

        run_virtually(main())

    def test_who_is_still_waking_is_let_go_without_a_word_unanswered(self) -> None:
        async def main() -> None:
            node = Node(make(starts_after=2))
            async with node.system:
                waiting = await asking(node, "hello")
                await asyncio.sleep(1)
                assert await node.system.drain(8) == []
                with pytest.raises(Unavailable):
                    await waiting
                assert node.placement.steps == ["claim a", "release a"]

        run_virtually(main())

    def test_leaving_the_system_finishes_what_is_in_hand_for_a_second(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                quick = await asking(node, 0.5)
                slow = await asking(node, 50.0, address="b", timeout=100)
                await asyncio.sleep(0.1)
            assert await quick == 0.5
            with pytest.raises(Unavailable):
                await slow
            assert node.reports.seen == [("system.overstayed", {"who": ["b"]})]

        run_virtually(main())

    def test_draining_twice_is_harmless(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                await node.ask("hello")
                assert await node.system.drain(8) == []
                assert await node.system.drain(8) == []

        run_virtually(main())
