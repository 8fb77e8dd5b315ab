"""The log of one address: positions join, a gap is never skipped, an unknown outcome is settled by inserting again."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.journal import PAGE, Journal, Taken, Unsettled
from actors.journal.outside import Document, OutcomeUnknown
from actors.runtime.envelope import Overloaded, Unavailable
from tests.journal.notebook import CODEC, Desk, Noted
from tests.runtime.memory import START, Reports
from tests.virtual import run_virtually


def document(s: int, n: int = 1, w: str = "me/1") -> Document:
    body = CODEC.pack([Noted(str(s + i), "text") for i in range(n)], None)
    return Document("a", s, n, "ann", f"c{s}", b"", w, START, body)


def journal(*sizes: int) -> tuple[Desk, Journal, Reports]:
    """A log of documents with that many events each, and what is reported."""
    desk, s = Desk(), 1
    for n in sizes:
        desk.log.documents["a", s] = document(s, n)
        s += n
    node = desk.node()
    return desk, Journal("a", desk.outside(node)), node.reports


def refused(reading: Awaitable[Any]) -> Unavailable:
    async def main() -> Unavailable:
        with pytest.raises(Unavailable) as refusal:
            await reading
        return refusal.value

    return run_virtually(main())


class TestAppending:
    def test_what_is_appended_is_in_the_log(self) -> None:
        desk, mine, _ = journal()
        run_virtually(mine.append(document(1)))
        assert desk.log.of("a") == [document(1)]

    @pytest.mark.parametrize("lands", [True, False])
    def test_an_unknown_outcome_is_settled_by_the_identical_document(self, *, lands: bool) -> None:
        desk, mine, _ = journal()
        desk.log.lands = lands
        desk.log.troubles.extend([OutcomeUnknown(), OutcomeUnknown()])
        run_virtually(mine.append(document(1)))
        assert desk.log.of("a") == [document(1)]
        assert desk.log.inserts == 3

    def test_a_position_another_holds_is_taken(self) -> None:
        desk, mine, _ = journal()
        desk.log.documents["a", 1] = document(1, w="other/9")

        async def main() -> None:
            with pytest.raises(Taken):
                await mine.append(document(1))

        run_virtually(main())

    def test_a_duplicate_no_majority_read_shows_is_not_decided_yet(self) -> None:
        """It may be rolled back: then the position is free again."""
        desk, mine, _ = journal()
        desk.log.documents["a", 1] = document(1, w="other/9")
        desk.log.hidden.add(1)

        async def main() -> None:
            asyncio.get_running_loop().call_later(1, desk.log.documents.clear)
            asyncio.get_running_loop().call_later(1, desk.log.hidden.clear)
            await mine.append(document(1))

        run_virtually(main())
        assert desk.log.of("a") == [document(1)]

    @pytest.mark.parametrize("trouble", [Unavailable, Overloaded])
    def test_what_never_left_the_node_has_had_no_effect(self, trouble: type[Exception]) -> None:
        desk, mine, _ = journal()
        desk.log.troubles.append(trouble())

        async def main() -> None:
            with pytest.raises(trouble) as refusal:
                await mine.append(document(1))
            assert getattr(refusal.value, "effect", "") == "none"

        run_virtually(main())
        assert desk.log.inserts == 1

    def test_after_an_unknown_outcome_being_refused_says_nothing(self) -> None:
        desk, mine, _ = journal()
        desk.log.troubles.extend([OutcomeUnknown(), Unavailable(), Overloaded()])
        run_virtually(mine.append(document(1)))
        assert desk.log.of("a") == [document(1)]

    def test_what_does_not_settle_in_time_is_said_to_be_unknown(self) -> None:
        desk, mine, _ = journal()
        desk.log.troubles.extend([OutcomeUnknown()] * 1000)

        async def main() -> None:
            with pytest.raises(Unsettled) as refusal:
                await mine.append(document(1))
            assert refusal.value.effect == "unknown"
            assert 3 <= asyncio.get_running_loop().time() < 4

        run_virtually(main())


class TestReading:
    @given(st.lists(st.integers(1, 6), max_size=12), st.integers(0, 80), st.integers(1, 80))
    def test_all_after_a_seq_in_order_wherever_documents_begin(self, sizes: list[int], since: int, limit: int) -> None:
        _, mine, reports = journal(*sizes)
        seqs = [one.seq for one in run_virtually(mine.read(since, limit))]
        assert seqs == list(range(since + 1, sum(sizes) + 1))[:limit]
        assert not reports.names

    def test_from_within_the_largest_document(self) -> None:
        _, mine, _ = journal(200, 200, 200)
        assert [one.seq for one in run_virtually(mine.read(399, 3))] == [400, 401, 402]

    @given(st.lists(st.integers(1, 3), min_size=2, max_size=8), st.integers(0, 7), st.integers(0, 20))
    def test_a_gap_is_never_skipped(self, sizes: list[int], lost: int, since: int) -> None:
        """Whatever document is missing: what is answered joins, or nothing is."""
        desk, mine, reports = journal(*sizes)
        missing = sorted(desk.log.documents)[lost % len(sizes)][1]
        desk.log.hidden.add(missing)

        async def main() -> None:
            try:
                found = await mine.read(since, 100)
            except Unavailable:
                assert reports.names == ["log.gap"]
            else:
                assert [one.seq for one in found] == list(range(since + 1, since + 1 + len(found)))

        run_virtually(main())

    def test_a_gap_is_read_once_more_then_reported_and_refused(self) -> None:
        desk, mine, reports = journal(2, 2, 2)
        desk.log.hidden.add(3)
        refusal = refused(mine.page(3))
        assert refusal.retry_after_ms == 5000
        assert reports.names == ["log.gap"]
        assert desk.log.reads == [2, 2]

    def test_a_gap_that_closes_was_none(self) -> None:
        desk, mine, reports = journal(2, 2, 2)
        desk.log.hidden.add(3)
        reading = desk.log.read

        async def once(address: str, after: int, limit: int) -> Any:
            found = await reading(address, after, limit)
            desk.log.hidden.clear()
            return found

        desk.log.read = once  # type: ignore[method-assign]  # the second read sees what the first did not
        documents, more = run_virtually(mine.page(3))
        assert ([one.s for one in documents], more) == ([3, 5], False)
        assert not reports.names

    def test_overlapping_documents_do_not_join(self) -> None:
        desk, mine, _ = journal(3, 2)
        desk.log.documents["a", 3] = document(3, 1)
        documents, more = run_virtually(mine.page(1))
        assert ([one.s for one in documents], more) == ([1], True)

    def test_a_long_log_is_read_page_by_page(self) -> None:
        desk, mine, _ = journal(*[1] * (2 * PAGE + 1))
        assert len(run_virtually(mine.read(0, 10_000))) == 2 * PAGE + 1
        assert desk.log.reads == [0, PAGE, 2 * PAGE]
