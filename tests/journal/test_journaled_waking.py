"""Waking: the same state as before, and whatever is owed is begun again."""

import asyncio
from typing import Any, ClassVar

import msgspec
import pytest

from actors.journal.codec import Codec
from actors.journal.journal import Happened
from actors.runtime.envelope import TimedOut, Unavailable
from tests.journal.notebook import Desk, Notebook, Noted, Notes, write
from tests.runtime.memory import START
from tests.virtual import run_virtually


class Counting(Notebook):
    """Another way to fold: the same events give another state."""

    fold_version: ClassVar[int] = 2

    def fold(self, state: Notes, happened: Happened) -> Notes:
        folded = super().fold(state, happened)
        return Notes(tuple(text.upper() for text in folded.texts), folded.owed)


class TestWaking:
    def test_state_is_the_same_with_a_snapshot_without_one_and_with_an_older_one(self) -> None:
        async def main() -> None:
            desk = Desk(snapshot_every=4)
            node = desk.node()
            kept = []
            async with node.system:
                for number in range(20):
                    await write(node, str(number), errand=number % 3 == 0)
                    await asyncio.sleep(0.1)
                    kept.append(desk.log.kept.get("a"))
                state, seq = node.made[0].state, node.made[0].seq
            for snapshot in {one.seq: one for one in kept if one is not None}.values():
                desk.log.kept = {"a": snapshot}
                desk.log.reads.clear()
                again = desk.node()
                async with again.system:
                    await again.ask("wake")
                    assert (again.made[0].state, again.made[0].seq) == (state, seq)
                    assert desk.log.reads[0] == snapshot.seq
                    assert len(desk.log.reads) <= 2, "rows of the last document may be made sure of, no more"
                    assert (await write(again, "0", errand=True)).repeated

        run_virtually(main())

    def test_a_snapshot_of_another_fold_is_thrown_away(self) -> None:
        async def main() -> None:
            desk = Desk(snapshot_every=2)
            node = desk.node()
            async with node.system:
                await write(node, "c1", times=3)
                await asyncio.sleep(1)
            assert desk.log.kept["a"].fold_version == 1
            newer = desk.node(Counting)
            async with newer.system:
                assert await newer.ask("read") == ["C1", "C1", "C1"]
                await asyncio.sleep(1)
                assert desk.log.kept["a"].fold_version == 2

        run_virtually(main())

    def test_a_snapshot_that_cannot_be_read_is_reported_and_made_anew(self) -> None:
        async def main() -> None:
            desk = Desk(snapshot_every=2)
            node = desk.node()
            async with node.system:
                await write(node, "c1", times=3)
                await asyncio.sleep(1)
            good = desk.log.kept["a"]
            desk.log.kept["a"] = msgspec.structs.replace(good, body=good.body[:-3])
            again = desk.node()
            async with again.system:
                assert await again.ask("read") == ["c1"] * 3
                assert again.reports.names == ["snapshot.unreadable"]
                await asyncio.sleep(1)
            assert msgspec.msgpack.decode(desk.log.kept["a"].body) == msgspec.msgpack.decode(good.body)

        run_virtually(main())

    def test_a_snapshot_that_cannot_be_kept_is_reported_and_nobody_else_notices(self) -> None:
        async def main() -> None:
            desk = Desk(snapshot_every=2)
            keep = desk.log.keep

            async def failing(snapshot: Any) -> None:
                raise Unavailable

            desk.log.keep = failing  # type: ignore[method-assign]  # this one method of the store is broken
            node = desk.node()
            async with node.system:
                assert (await write(node, "c1", times=3)).seq == 3
                await asyncio.sleep(1)
                assert node.reports.names == ["snapshot.failed"]
                desk.log.keep = keep  # type: ignore[method-assign]  # and whole again
                await write(node, "c2", times=3)
                await asyncio.sleep(1)
                assert desk.log.kept["a"].seq == 6

        run_virtually(main())

    def test_a_gap_refuses_the_address_and_raises_the_alarm(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                for number in range(3):
                    await write(node, str(number))
            desk.log.hidden.add(2)
            again = desk.node()
            async with again.system:
                with pytest.raises(Unavailable) as refused:
                    await again.ask("read")
                assert (refused.value.effect, refused.value.retry_after_ms) == ("none", 5000)
                assert again.reports.names == ["log.gap"]
                await asyncio.sleep(1)
                assert again.placement.steps == ["claim a", "release a"]
                desk.log.hidden.clear()
                assert await again.ask("read") == ["0", "1", "2"]

        run_virtually(main())

    def test_what_a_newer_program_wrote_is_left_to_it(self) -> None:
        class Newer(Notebook):
            """Writes notes of a version the others don't know."""

        async def main() -> None:
            desk = Desk()
            node = desk.node(Newer)
            async with node.system:
                await write(node, "c1")
            newer = Codec({"noted": type("Noted", (Noted,), {"version": 2})}, {})
            (document,) = desk.log.of("a")
            body = newer.pack([newer._types["noted"]("n", "text")], None)
            desk.log.documents["a", 1] = msgspec.structs.replace(document, body=body)
            older = desk.node()
            async with older.system:
                with pytest.raises(Unavailable) as refused:
                    await write(older, "c2")
                assert (refused.value.effect, refused.value.retry_after_ms) == ("none", 5000)
                await asyncio.sleep(1)
                assert older.placement.steps == ["claim a", "release a"]
                assert older.reports.seen == [("log.too_new", {"address": "a", "event": "noted v2"})]

        run_virtually(main())


class TestOwed:
    def test_what_is_owed_follows_the_commit_and_is_struck_off_once_done(self) -> None:
        async def main() -> None:
            desk = Desk()
            node = desk.node()
            async with node.system:
                await write(node, "c1", errand=True)
                assert desk.log.heads["a"].owed_at == START
                await asyncio.sleep(11)
                assert len(node.made[0].errands) == 1
                assert desk.log.heads["a"].owed_at is None

        run_virtually(main())

    def test_it_is_begun_again_on_waking_and_has_one_effect(self) -> None:
        async def main() -> None:
            desk = Desk()
            for lives in range(3):
                node = desk.node()
                async with node.system:
                    if lives == 0:
                        await write(node, "c1", errand=True)
                    else:
                        await node.ask("wake")
                    await asyncio.sleep(9)
            node = desk.node()
            async with node.system:
                await node.ask("wake")
                await asyncio.sleep(20)
                assert len(node.made[0].errands) == 1
            assert [document.by for document in desk.log.of("a")] == ["ann", "me"]

        run_virtually(main())

    def test_an_ask_that_times_out_during_the_commit_says_unknown_and_the_cid_tells(self) -> None:
        async def main() -> None:
            desk = Desk()
            desk.rows.takes = 3
            node = desk.node()
            async with node.system:
                with pytest.raises(TimedOut) as refused:
                    await write(node, "c1", timeout=1)
                assert refused.value.effect == "unknown"
                assert (await write(node, "c1")).repeated

        run_virtually(main())
