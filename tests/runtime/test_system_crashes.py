"""An actor that dies: who is told what, when the next one wakes, and what is not tried again."""

import asyncio
from typing import Any

import pytest

from actors.runtime.envelope import Crashed, Envelope, NotHere, Poisoned, Refused
from actors.runtime.system import Limits
from tests.runtime.busy import Bad, Busy, asking, crash, make, now
from tests.runtime.memory import Node
from tests.virtual import run_virtually


class TestCrashes:
    def test_the_asker_is_told_those_who_waited_too_and_the_next_message_finds_a_fresh_actor(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                busy = await asking(node, 1.0)
                await asyncio.sleep(0.5)
                bad, waiting = await asking(node, Bad()), await asking(node, "waiting")
                assert await busy == 1.0
                with pytest.raises(Crashed) as refused:
                    await bad
                assert refused.value.effect == "unknown"
                with pytest.raises(Crashed) as refused:
                    await waiting
                assert refused.value.effect == "none"
                assert await node.ask("hello") == "hello"
                assert len(node.made) == 2
                assert node.reports.names == ["actor.crashed"]
                assert node.placement.steps == ["claim a", "release a", "claim a"]

        run_virtually(main())

    def test_other_actors_notice_nothing(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                other = await asking(node, 1.0, address="b")
                await crash(node)
                assert await other == 1.0

        run_virtually(main())

    def test_who_keeps_dying_wakes_later_each_time_up_to_half_a_minute(self) -> None:
        async def main() -> None:
            node = Node(make())
            waits = []
            async with node.system:
                for _ in range(14):
                    began = now()
                    await crash(node)
                    waits.append(now() - began)
            assert waits[:6] == pytest.approx([0, 0, 0.1, 0.2, 0.4, 0.8])
            assert waits[-1] == pytest.approx(30)

        run_virtually(main())

    def test_time_that_has_passed_since_the_crash_counts(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                for _ in range(8):
                    await crash(node)
                await asyncio.sleep(60)
                began = now()
                assert await node.ask("hello") == "hello"
                assert now() == began

        run_virtually(main())

    def test_crashes_long_ago_are_forgiven(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                for _ in range(8):
                    await crash(node)
                await asyncio.sleep(1000)
                await crash(node)
                began = now()
                assert await node.ask("hello") == "hello"
                assert now() == began

        run_virtually(main())

    def test_an_actor_that_dies_while_starting_tells_everybody(self) -> None:
        async def main() -> None:
            node = Node(make(refuses_to_start=KeyError("a bug")))
            async with node.system:
                with pytest.raises(Crashed) as refused:
                    await node.ask("hello")
                assert refused.value.effect == "none"
                await asyncio.sleep(0.1)
                assert node.reports.names == ["actor.crashed"]
                assert node.placement.steps == ["claim a", "release a"]

        run_virtually(main())

    def test_a_cancellation_from_within_is_a_bug_like_any_other(self) -> None:
        class Pulled(Busy):
            async def receive(self, message: Any) -> Any:
                if message == "pull":
                    future = asyncio.get_running_loop().create_future()
                    future.cancel()
                    await future
                return await super().receive(message)

        async def main() -> None:
            node = Node(Pulled)
            async with node.system:
                with pytest.raises(Crashed) as refused:
                    await node.ask("pull")
                assert refused.value.effect == "unknown"
                assert node.reports.names == ["actor.crashed"]
                assert await node.ask("hello") == "hello"

        run_virtually(main())

    def test_an_actor_that_dies_while_stopping_still_gives_its_address_up(self) -> None:
        class Clumsy(Busy):
            async def stopped(self) -> None:
                raise KeyError("a bug")

        async def main() -> None:
            node = Node(Clumsy, limits=Limits(idle=1))
            async with node.system:
                await node.ask("hello")
                await asyncio.sleep(5)
                assert node.placement.steps == ["claim a", "release a"]
                assert node.reports.names == ["system.task"]
                assert await node.ask("hello") == "hello"

        run_virtually(main())

    def test_what_waited_and_cannot_be_sent_on_keeps_no_address(self) -> None:
        async def main() -> None:
            def undelivered(_: str, envelope: Envelope, why: Refused) -> None:
                envelope.refuse(why)
                raise KeyError("a bug")

            node = Node(make())
            node.system.undelivered = undelivered
            async with node.system:
                busy = await asking(node, 1.0)
                waiting = [await asking(node, number) for number in range(2)]
                await asyncio.sleep(0.1)
                node.system.lost("a")
                assert await busy == 1.0
                told = await asyncio.gather(*waiting, return_exceptions=True)
                assert [type(one) for one in told] == [NotHere, NotHere]
                assert await node.ask("hello") == "hello"
                assert node.reports.names == ["system.task"]
                assert node.placement.steps == ["claim a", "release a", "claim a"]

        run_virtually(main())

    def test_a_poison_message_is_not_tried_a_fourth_time(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                for _ in range(3):
                    assert isinstance(await crash(node, "c1"), Crashed)
                await node.ask("wake", timeout=100)
                assert isinstance(await crash(node, "c1"), Poisoned)
                assert node.reports.names == ["actor.crashed"] * 3 + ["message.poisoned"]
                assert await node.ask("the actor lives") == "the actor lives"
                assert len(node.made) == 4

        run_virtually(main())

    def test_what_is_poison_for_one_is_not_for_another(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                for _ in range(3):
                    await crash(node, "c1")
                with pytest.raises(Crashed):
                    await node.ask(Bad("c1"), address="b")

        run_virtually(main())

    def test_a_thousand_lives_of_one_address(self) -> None:
        async def main() -> None:
            node = Node(make(), limits=Limits(idle=1))
            async with node.system:
                for number in range(1000):
                    assert await node.ask(number) == number
                    await asyncio.sleep(2.5)
                assert len(node.made) == 1000

        run_virtually(main())
