"""A journaled actor: one command is one document, the same cid has one effect, a commit is never refused."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest

from actors.journal.cids import WINDOW
from actors.journal.journal import Unsettled
from actors.journal.journaled import Accepted, Order, TooMuch
from actors.journal.outside import OutcomeUnknown
from actors.runtime.envelope import CidConflict, Crashed, Refused, Unavailable
from actors.runtime.ids import uuid7
from tests.journal.notebook import CODEC, Desk, Full, Look, Write, write
from tests.runtime.memory import START
from tests.virtual import run_virtually


class TestCommands:
    def test_one_command_is_one_document_whole_or_not_at_all(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                assert await write(node, "c1", times=3) == Accepted(3, {"first": 1, "before": 0})
                assert await write(node, "c2") == Accepted(4, {"first": 4, "before": 3})
            first, second = desk.log.of("a")
            assert (first.s, first.n, first.by, first.cid) == (1, 3, "ann", "c1")
            assert (second.s, second.n) == (4, 1)
            assert [event.text for event in CODEC.events(first.body)] == ["c1"] * 3
            assert first.w != second.w
            assert desk.pages() == ("c1", "c1", "c1", "c2")
            assert node.made[0].shown == [1, 2, 3, 4]

        run_virtually(main())

    def test_a_refusal_writes_nothing_and_is_not_remembered(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                with pytest.raises(Full):
                    await write(node, "c1", "refused")
                assert not desk.log.documents
                assert (await write(node, "c1", "fine")).seq == 1

        run_virtually(main())

    def test_a_command_without_an_event_writes_nothing(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                assert await node.ask(Order("ann", "c1", Look())) == Accepted(0, {"texts": 0})
                assert not desk.log.documents

        run_virtually(main())

    def test_what_cannot_be_folded_is_never_inserted(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                with pytest.raises(Crashed):
                    await write(node, "c1", "unfoldable")
                assert desk.log.inserts == 0
                assert (await write(node, "c2")).seq == 1
            assert desk.pages() == ("c2",)

        run_virtually(main())

    @pytest.mark.parametrize(("given", "accepted"), [
        ({"times": 200}, True), ({"times": 201}, False), ({"text": "x" * 990_000}, True), ({"text": "x" * 1_000_001}, False),
    ])  # fmt: skip
    def test_a_document_has_its_limits(self, given: dict[str, Any], *, accepted: bool) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                if accepted:
                    await write(node, "c1", **given)
                else:
                    with pytest.raises(TooMuch):
                        await write(node, "c1", **given)
                assert desk.log.inserts == accepted
                assert (await write(node, "c2")).seq == 1 + accepted * given.get("times", 1)

        run_virtually(main())

    def test_time_goes_forward_whatever_the_clock_does(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                for number, move in enumerate((0, -3600, 0.0004, -0.5, 7200, 0)):
                    desk.clock.move(move)
                    await write(node, str(number))
                times = [document.at for document in desk.log.of("a")]
                assert times == sorted(set(times))
                assert all(at.microsecond % 1000 == 0 for at in times)
                assert times[:2] == [START, START + timedelta(milliseconds=1)]
                assert times[-2] == desk.clock.at.replace(microsecond=desk.clock.at.microsecond // 1000 * 1000)
            desk.clock.move(-1_000_000)
            again = desk.node()
            async with again.system:
                await write(again, "after waking")
            assert desk.log.of("a")[-1].at == times[-1] + timedelta(milliseconds=1)

        run_virtually(main())


class TestCids:
    def test_the_same_cid_has_no_second_effect_and_gives_the_first_answer(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                first = await write(node, "c1", times=2)
                await write(node, "c2")
                assert await write(node, "c1", times=2) == Accepted(first.seq, first.answer, repeated=True)
            other = desk.node()
            async with other.system:
                assert await write(other, "c1", times=2) == Accepted(first.seq, first.answer, repeated=True)
            assert len(desk.log.documents) == 2

        run_virtually(main())

    @pytest.mark.parametrize("kind", ["v4", "v7"])
    def test_even_after_a_thousand_more_commands(self, kind: str) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()

            def fresh() -> str:
                desk.clock.move(0.01)
                return uuid7(desk.clock.at) if kind == "v7" else str(uuid.uuid4())

            async with node.system:
                cid = fresh()
                first = await write(node, cid, "the first")
                for _ in range(1000):
                    await write(node, fresh(), "more")
                assert desk.log.finds == (0 if kind == "v7" else 1000 - WINDOW)
                assert await write(node, cid, "the first") == Accepted(first.seq, first.answer, repeated=True)
            assert len(desk.log.documents) == 1001

        run_virtually(main())

    @pytest.mark.parametrize("more", [0, 300])
    def test_the_same_cid_for_another_request_is_a_conflict(self, more: int) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1", "this")
                for number in range(more):
                    await write(node, f"more {number}")
                for command in (Write("that"), Write("this", times=2), Look()):
                    with pytest.raises(CidConflict) as refused:
                        await node.ask(Order("ann", "c1", command))
                    assert (refused.value.code, refused.value.effect) == ("conflict.cid", "none")
                assert (await write(node, "c1", "this")).repeated

        run_virtually(main())

    def test_two_authors_may_use_the_same_cid(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await node.ask(Order("ann", "c1", Write("ann's")))
                accepted = await node.ask(Order("coach", "c1", Write("the coach's")))
                assert (accepted.seq, accepted.repeated) == (2, False)

        run_virtually(main())

    @pytest.mark.parametrize("away", [True, False])
    def test_an_accepted_cid_that_cannot_be_read_is_unknown_not_new(self, *, away: bool) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                desk.log.hidden.add(1)
                desk.log.away = away
                with pytest.raises(Unavailable) as refused:
                    await write(node, "c1")
                assert refused.value.effect == "unknown"

        run_virtually(main())


class TestCommit:
    def test_while_the_log_is_stalled_nothing_is_tried(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1")
                desk.log.stalled = True
                with pytest.raises(Unavailable) as refused:
                    await write(node, "c2")
                assert refused.value.effect == "none"
                assert desk.log.inserts == 1
                assert await node.ask("read") == ["c1"]

        run_virtually(main())

    def test_a_lost_answer_of_the_store_is_not_noticed(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.log.lands = True
            desk.log.troubles.append(OutcomeUnknown())
            node = desk.node()
            async with node.system:
                assert await write(node, "c1") == Accepted(1, {"first": 1, "before": 0})

        run_virtually(main())

    def test_what_does_not_settle_ends_the_actor_and_the_same_cid_tells_later(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.log.lands = True
            desk.log.troubles.extend([OutcomeUnknown()] * 100)
            node = desk.node()
            async with node.system:
                first = asyncio.create_task(write(node, "c1"), name="first")
                await asyncio.sleep(1)
                waiting = asyncio.create_task(write(node, "c2"), name="waiting")
                with pytest.raises(Unsettled) as unknown:
                    await first
                assert (unknown.value.code, unknown.value.effect) == ("timeout", "unknown")
                with pytest.raises(Unavailable) as none:
                    await waiting
                assert none.value.effect == "none"
                desk.log.troubles.clear()
                assert await write(node, "c1") == Accepted(1, {"first": 1, "before": 0}, repeated=True)
                assert len(node.made) == 2

        run_virtually(main())

    @pytest.mark.parametrize("trouble", [KeyError("a bug"), Refused()])
    def test_after_the_commit_it_is_never_refused(self, trouble: Exception) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.trouble = trouble
            node = desk.node()
            async with node.system:
                assert (await write(node, "c1")).seq == 1
                assert (await write(node, "c2")).seq == 2
                assert len(node.made) == 1
                assert node.reports.names == ["projection.failed"] * 2
                desk.rows.trouble = None
                await write(node, "c3")
            assert desk.pages() == ("c1", "c2", "c3")

        run_virtually(main())

    def test_a_row_that_cannot_be_made_costs_the_row_not_the_address(self) -> None:
        async def main() -> None:
            desk = Desk()
            for node in (desk.node(), desk.node()):
                async with node.system:
                    await write(node, f"c{id(node)}", "no row")
                    await write(node, f"d{id(node)}", "fine")
                    assert len(node.made) == 1
                    assert "projection.failed" in node.reports.names
            assert len(desk.pages()) == 4

        run_virtually(main())

    def test_a_bug_while_telling_devices_is_reported_and_the_command_stands(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                assert (await write(node, "c1", "unpublishable")).seq == 1
                assert node.reports.names == ["actor.crashed"]
                assert (await write(node, "c1", "unpublishable")).repeated
                assert len(node.made) == 2

        run_virtually(main())
