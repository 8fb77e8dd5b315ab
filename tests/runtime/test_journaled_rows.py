"""The rows behind the log: there before the answer, or later, but always."""

import asyncio

import pytest

from actors.runtime.envelope import Overloaded, Unavailable
from actors.runtime.outside import Head
from tests.runtime.notebook import Desk, write
from tests.virtual import run_virtually


def seconds() -> float:
    return asyncio.get_running_loop().time()


class TestRows:
    def test_rows_are_there_before_the_answer(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.takes = 2
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                assert desk.pages() == ("c1",)
                assert desk.log.heads["a"] == Head("a", 1)

        run_virtually(main())

    def test_while_they_cannot_be_written_commands_stand_and_the_rows_follow(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                desk.rows.trouble, desk.rows.takes = Unavailable(), 5
                await write(node, "c1")
                began = seconds()
                for number in range(2, 6):
                    assert (await write(node, f"c{number}")).seq == number
                    assert await node.ask("read") == [f"c{n}" for n in range(1, number + 1)]
                    await asyncio.sleep(3)
                assert seconds() - began < 13, "only the first command waited"
                assert not desk.rows.rows
                desk.rows.trouble, desk.rows.takes = None, 0
                await asyncio.sleep(10)
                assert desk.pages() == ("c1", "c2", "c3", "c4", "c5")
                assert desk.log.heads["a"].seq == 5
                assert not node.reports.seen

        run_virtually(main())

    def test_an_actor_with_rows_to_write_does_not_retire(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.trouble = Overloaded()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                await asyncio.sleep(2000)
                assert "a" in node.system
                desk.rows.trouble = None
                await asyncio.sleep(2000)
                assert "a" not in node.system
                assert desk.pages() == ("c1",)

        run_virtually(main())

    def test_far_behind_nothing_new_is_taken_on(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.trouble = Unavailable()
            node = desk.node()
            async with node.system:
                for number in range(6):
                    await write(node, f"c{number}", times=200)
                with pytest.raises(Unavailable) as refused:
                    await write(node, "one too many")
                assert refused.value.effect == "none"
                desk.rows.trouble = None
                await asyncio.sleep(5)
                await write(node, "again")

        run_virtually(main())

    def test_rows_a_dead_node_left_behind_are_written_on_waking(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.trouble = Unavailable()
            node = desk.node()
            async with node.system:
                await write(node, "c1", times=3)
            desk.rows.trouble = None
            again = desk.node()
            async with again.system:
                await again.ask("wake")
                assert desk.pages() == ("c1",) * 3

        run_virtually(main())

    def test_on_waking_no_more_is_written_again_than_may_be_missing(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                for cid in ("c1", "c2", "c3"):
                    await write(node, cid, times=2)
            again = desk.node()
            async with again.system:
                await again.ask("wake")
                assert desk.rows.writes == 3, "nobody waits for it"
                await asyncio.sleep(5)
                assert again.made[0].projected == [[5, 6]]

        run_virtually(main())

    def test_rows_lost_beside_their_head_are_made_soon_after_waking(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                before = dict(desk.rows.rows)
                await write(node, "c2")
            desk.rows.rows = before
            again = desk.node()
            async with again.system:
                await again.ask("wake")
                await asyncio.sleep(5)
                assert desk.pages() == ("c1", "c2")

        run_virtually(main())

    def test_rows_behind_a_snapshot_are_written_too(self) -> None:
        async def main() -> None:
            desk = Desk(snapshot_every=10)
            desk.rows.trouble = Unavailable()
            node = desk.node()
            async with node.system:
                for number in range(5):
                    await write(node, str(number), times=2)
                await asyncio.sleep(1)
            assert desk.log.kept["a"].seq == 10
            desk.log.heads["a"] = Head("a", 3)
            desk.rows.trouble = None
            again = desk.node()
            async with again.system:
                await again.ask("wake")
                assert len(desk.pages()) == 10
                assert desk.log.heads["a"].seq == 10

        run_virtually(main())

    def test_a_head_that_came_through_without_its_rows_is_made_good_soon_after_waking(self) -> None:
        """Both are written at once: killed in between, the head alone may be there, and says so."""

        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                desk.rows.trouble = Unavailable()
                await write(node, "c2")
            assert desk.pages() == ("c1",)
            desk.rows.trouble = None
            desk.log.heads["a"] = Head("a", 2, projected=1)
            again = desk.node()
            async with again.system:
                await again.ask("wake")
                await asyncio.sleep(2)
                assert desk.pages() == ("c1", "c2")
                assert desk.log.heads["a"].seq == 2

        run_virtually(main())
