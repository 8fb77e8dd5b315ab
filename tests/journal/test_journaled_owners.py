"""Several owners of one address: the log decides, and what one wrote the other folds in."""

import asyncio
from typing import Any

import pytest

from actors.journal.journaled import Accepted, Order
from actors.runtime.envelope import CidConflict, Unavailable
from tests.journal.notebook import Desk, Full, Write, write
from tests.runtime.memory import MemoryPlacement
from tests.virtual import run_virtually


class TestOwners:
    def test_of_two_owners_the_holder_folds_in_what_the_other_wrote(self) -> None:
        async def main() -> None:
            desk = Desk()
            one, two = desk.node(), desk.node()
            async with one.system, two.system:
                await write(one, "c1")
                await write(two, "c2")
                assert await write(one, "c3") == Accepted(3, {"first": 3, "before": 2})
                assert await write(one, "c2") == Accepted(2, {"first": 2, "before": 1}, repeated=True)
                assert await one.ask("read") == ["c1", "c2", "c3"]
                assert len(one.made) == 1
            assert desk.pages() == ("c1", "c2", "c3")

        run_virtually(main())

    def test_the_same_command_asked_at_both_happens_once(self) -> None:
        async def main() -> None:
            desk = Desk()
            one, two = desk.node(), desk.node()
            async with one.system, two.system:
                await one.ask("wake")
                await two.ask("wake")
                first, second = await asyncio.gather(write(one, "c1"), write(two, "c1"))
                assert first.answer == second.answer
                assert first.repeated != second.repeated
            assert len(desk.log.documents) == 1

        run_virtually(main())

    @pytest.mark.parametrize("placement", [MemoryPlacement(holder=False), MemoryPlacement(away=True)])
    def test_who_is_no_longer_the_holder_or_cannot_know_stops_at_the_conflict(self, placement: MemoryPlacement) -> None:
        async def main() -> None:
            desk = Desk()
            one, two = desk.node(placement=placement), desk.node()
            async with one.system, two.system:
                await write(one, "c1")
                await write(two, "c2")
                with pytest.raises(Unavailable) as refused:
                    await write(one, "c3")
                assert refused.value.effect == "none"
                await asyncio.sleep(1)
                assert "a" not in one.system
            assert [document.cid for document in desk.log.of("a")] == ["c1", "c2"]

        run_virtually(main())

    def test_nobody_is_refused_on_a_state_another_has_left_behind(self) -> None:
        async def main() -> None:
            desk = Desk()
            one, two = desk.node(), desk.node()
            async with one.system, two.system:
                await one.ask("wake")
                await write(two, "c1")
                accepted = await write(two, "c2", "second")
                assert await write(one, "c2", "second") == Accepted(accepted.seq, accepted.answer, repeated=True)
                with pytest.raises(Full):
                    await write(one, "c3", "refused")

        run_virtually(main())

    @pytest.mark.parametrize("text", ["c2", "something else"])
    def test_what_another_wrote_and_owed_is_seen_to_even_if_nothing_is_committed(self, text: str) -> None:
        async def main() -> None:
            desk = Desk()
            one, two = desk.node(), desk.node()
            async with one.system:
                await write(one, "c1")
                async with two.system:
                    await write(two, "c2", errand=True)
                desk.rows.rows.clear()
                outcome = await asyncio.gather(write(one, "c2", text, errand=True), return_exceptions=True)
                assert isinstance(outcome[0], Accepted if text == "c2" else CidConflict)
                await asyncio.sleep(15)
                assert len(one.made[0].errands) == 1
                assert not one.made[0].state.owed
                assert desk.pages() == ("c1", "c2")

        run_virtually(main())

    @pytest.mark.parametrize("message", ["read", Order("ann", "c2", Write("more"))])
    def test_with_a_lapsed_lease_an_address_that_lives_elsewhere_is_not_served(self, message: Any) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                node.placement.lease, node.placement.holder = False, False
                with pytest.raises(Unavailable) as refused:
                    await node.ask(message)
                assert refused.value.effect == "none"
                await asyncio.sleep(1)
                assert "a" not in node.system
                assert desk.log.inserts == 1

        run_virtually(main())

    @pytest.mark.parametrize("away", [True, False])
    def test_with_a_lapsed_lease_what_is_held_or_cannot_be_looked_up_goes_on(self, *, away: bool) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                node.placement.lease, node.placement.away = False, away
                assert (await write(node, "c2")).seq == 2
                assert await node.ask("read") == ["c1", "c2"]

        run_virtually(main())
