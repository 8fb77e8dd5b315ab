"""The rows behind the log: there before the answer, or later, but always."""

import asyncio

import pytest

from actors.journal.journal import Unsettled
from actors.journal.journaled import Accepted
from actors.journal.outside import Head
from actors.runtime.envelope import Overloaded, Unavailable
from tests.journal.notebook import Desk, write
from tests.runtime.memory import START
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

    def test_without_them_nothing_is_accepted_and_the_cid_tells_once_they_follow(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                desk.rows.trouble, desk.rows.takes = Unavailable(), 5
                began = seconds()
                with pytest.raises(Unsettled) as unknown:
                    await write(node, "c1")
                assert (unknown.value.code, unknown.value.effect) == ("timeout", "unknown")
                assert seconds() - began < 6
                assert node.made[0].shown == [1], "it stands in the log: devices see it"
                desk.rows.takes = 0
                for cid, effect in (("c1", "unknown"), ("c2", "none")):
                    with pytest.raises(Unavailable) as refused:
                        await write(node, cid)
                    assert refused.value.effect == effect
                assert await node.ask("read") == ["c1"]
                desk.rows.trouble = None
                await asyncio.sleep(3)
                assert desk.pages() == ("c1",)
                assert desk.log.heads["a"].seq == 1
                assert await write(node, "c1") == Accepted(1, {"first": 1, "before": 0}, repeated=True)
                assert (len(node.made), desk.log.inserts, node.reports.seen) == (1, 1, [])

        run_virtually(main())

    def test_while_they_are_known_to_be_stuck_nothing_is_tried(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                desk.rows.stalled = True
                with pytest.raises(Unavailable) as refused:
                    await write(node, "c1")
                assert refused.value.effect == "none"
                assert desk.log.inserts == 0

        run_virtually(main())

    def test_whatever_was_accepted_and_owes_something_has_a_head_that_says_so(self) -> None:
        """Should the node die before the rows are written, whoever asks again hears of it once they are."""

        async def main() -> None:
            desk = Desk()
            node = desk.node()
            desk.rows.trouble = Unavailable()
            async with node.system:
                with pytest.raises(Unsettled):
                    await write(node, "c1", errand=True)
            assert "a" not in desk.log.heads
            again = desk.node()
            async with again.system:
                with pytest.raises(Unavailable):
                    await write(again, "c1", errand=True)
                desk.rows.trouble = None
                assert (await write(again, "c1", errand=True)).repeated
                assert desk.log.heads["a"].owed_at == START

        run_virtually(main())

    def test_a_row_that_cannot_be_made_does_not_keep_the_head_from_being_written(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1", "no row", errand=True)
                assert desk.log.heads["a"].owed_at == START
                assert node.reports.names == ["projection.failed"]

        run_virtually(main())

    def test_an_actor_with_rows_to_write_does_not_retire(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.trouble = Overloaded()
            node = desk.node()
            async with node.system:
                with pytest.raises(Unsettled):
                    await write(node, "c1")
                await asyncio.sleep(2000)
                assert "a" in node.system
                desk.rows.trouble = None
                await asyncio.sleep(2000)
                assert "a" not in node.system
                assert desk.pages() == ("c1",)

        run_virtually(main())

    def test_rows_a_dead_node_left_behind_are_written_on_waking(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.trouble = Unavailable()
            node = desk.node()
            async with node.system:
                with pytest.raises(Unsettled):
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
            node = desk.node()
            async with node.system:
                for number in range(5):
                    await write(node, str(number), times=2)
                await asyncio.sleep(1)
            assert desk.log.kept["a"].seq == 10
            desk.log.heads["a"] = Head("a", 3, projected=2)
            desk.rows.rows.clear()
            again = desk.node()
            async with again.system:
                await again.ask("wake")
                assert len(desk.pages()) == 10
                assert desk.log.heads["a"].seq == 10
                assert again.made[0].projected == [list(range(3, 11))]

        run_virtually(main())

    def test_a_head_that_came_through_without_its_rows_is_made_good_soon_after_waking(self) -> None:
        """Both are written at once: killed in between, the head alone may be there, and says so."""

        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                desk.rows.trouble = Unavailable()
                with pytest.raises(Unsettled):
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
