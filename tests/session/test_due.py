"""What is due is done by itself, once, whoever was there when its time came; and nobody has to wait for much of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from actors import clock
from actors.commands import CreateGoal
from actors.domain.addresses import session_address
from actors.domain.refusals import NotFound
from actors.events import GoalCompleted
from actors.questions import ShowGoal, ShowProfile
from actors.runtime.ids import derived
from actors.runtime.owned import owned
from actors.session import due
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.connect import connected
from storage.mongo.heads import MongoHeads
from tests.alone import WallClock
from tests.session.inside import Inside, inside
from tests.session.ticking import TICK


@pytest.fixture(autouse=True)
def _a_kind_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(due.DUE, "tick", TICK)


async def tick(node: Inside, after: timedelta = timedelta()) -> str:
    """A goal that is due so long after now."""
    at = datetime.now(UTC) + after
    goal_id: str = (await node.order(CreateGoal(at.isoformat()))).answer.goal.id
    return goal_id


def ticked(node: Inside) -> list[str]:
    return [one.data.goal_id for one in node.device.events if isinstance(one.data, GoalCompleted)]


async def until_ticked(node: Inside, count: int) -> None:
    await node.device.until(lambda _: len(ticked(node)) >= count)


@asynccontextmanager
async def clocked(node: Inside, url: str, database: str) -> AsyncIterator[None]:
    """Its clock runs, as a node's does."""

    def report(event: str, fields: object) -> None:
        raise AssertionError((event, fields))

    async with connected(url, database=database) as mongo:
        looking = clock.run(node.system, MongoHeads(mongo), WallClock(), report, every=0.1)
        async with owned(looking, "clock", report):
            yield


async def test_what_is_due_is_done_when_its_time_comes(mongo: ReplicaSet, database: str) -> None:
    async with inside(mongo.url, database) as node:
        await node.open()
        later, soon = await tick(node, timedelta(hours=1)), await tick(node, timedelta(seconds=0.5))
        assert ticked(node) == []
        await until_ticked(node, 1)
        assert ticked(node) == [soon]
        shown = await node.ref.ask(ShowGoal(later), timeout=5)
        assert shown.goal.status == "open"


async def test_what_came_due_while_no_node_lived_has_one_effect_though_two_come_back(
    mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asks for anything: the clocks of both see that it is overdue. Both may write, and the log takes one."""
    monkeypatch.setattr(clock, "GRACE", timedelta())
    async with inside(mongo.url, database) as node:
        await node.open()
        goal_id, user_id = await tick(node, timedelta(seconds=0.6)), node.user_id
        await node.system.drain(0)
        assert ticked(node) == []
    await asyncio.sleep(0.7)
    async with inside(mongo.url, database) as one, inside(mongo.url, database) as other:
        one.user_id = other.user_id = user_id
        async with clocked(one, mongo.url, database), clocked(other, mongo.url, database):
            first = [asyncio.create_task(until_ticked(node, 1), name="ticked") for node in (one, other)]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0.5)  # in which the other would do it too
            for waiting in first:
                waiting.cancel()
        found = await one.log.read(session_address(user_id), 0, 100)
        assert [document.cid for document in found].count(derived(goal_id, "tick")) == 1
        assert sum(document.n for document in found) == 3, "opened, created, completed"
        head = await one.log.head(session_address(user_id))
        assert head is not None
        assert head.due_at is None


async def test_who_asks_comes_between_many_that_are_due_at_once(
    mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "TOGETHER", 5)
    async with inside(mongo.url, database) as node:
        await node.open()
        for _ in range(40):
            await tick(node, timedelta(seconds=3))
        user_id = node.user_id
    await asyncio.sleep(2.5)
    async with inside(mongo.url, database) as node:
        node.user_id = user_id
        await node.ref.ask(ShowProfile(), timeout=5)
        await until_ticked(node, 1)
        await node.ref.ask(ShowProfile(), timeout=5)
        assert len(ticked(node)) < 40
        await until_ticked(node, 40)
        assert len(set(ticked(node))) == len(ticked(node)) == 40


async def test_what_is_refused_for_good_holds_nobody_up_and_is_told(
    mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = datetime(2026, 1, 1, tzinfo=UTC)
    lost = due.DueKind(lambda state: {"nowhere": past} if state.goals else {}, TICK.order)
    monkeypatch.setitem(due.DUE, "lost", lost)
    async with inside(mongo.url, database) as node:
        await node.open()
        goal_id = await tick(node)
        await until_ticked(node, 1)
        assert ticked(node) == [goal_id]
        told = [fields for event, fields in node.reports if event == "due.refused"]
        assert [(fields["kind"], fields["code"]) for fields in told] == [("lost", NotFound.code)]
