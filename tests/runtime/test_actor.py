"""Children: owned, named, heard of when they end by themselves, and gone when their owner says so."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from actors.runtime.actor import Actor, ChildEnded, Children
from actors.runtime.envelope import Crashed, Overloaded, Refused
from tests.runtime.memory import Node
from tests.virtual import run_virtually


async def after(seconds: float, result: Any = None) -> Any:
    await asyncio.sleep(seconds)
    return result


async def failing() -> None:
    raise KeyError("broken")


async def stubborn(seconds: float) -> None:
    """Does not let itself be cancelled."""
    until = asyncio.get_running_loop().time() + seconds
    while (left := until - asyncio.get_running_loop().time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue


class Parent(Actor):
    """Spawns what it is sent, and tells which ends it heard of."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.heard: list[ChildEnded] = []

    async def receive(self, message: Any) -> Any:
        match message:
            case ChildEnded():
                self.heard.append(message)
            case (name, work):
                self.children.spawn(name, work)
            case "heard":
                return self.heard
            case str(name):
                self.children.cancel(name)
        return None


class Promising(Actor):
    """Answers with a future: that of its own that it was asked for."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.promised: dict[str, asyncio.Future[str]] = {}

    async def receive(self, message: Any) -> Any:
        if message in self.promised:
            return self.promised[message].done()
        self.promised[message] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(1, self._keep, message)
        return self.promised[message]

    def _keep(self, message: str) -> None:
        match message:
            case "refuse":
                self.promised[message].set_exception(Overloaded())
            case "break":
                self.promised[message].set_exception(KeyError("a bug"))
            case "forget":
                self.promised[message].cancel()
            case _:
                self.promised[message].set_result("kept")


async def heard_after(seconds: float, *messages: Any) -> list[ChildEnded]:
    node = Node(Parent)
    async with node.system:
        for message in messages:
            await node.ask(message)
        await asyncio.sleep(seconds)
        heard: list[ChildEnded] = await node.ask("heard")
        return heard


def test_an_end_comes_back_as_a_message() -> None:
    assert run_virtually(heard_after(2, ("tea", after(1, "hot")))) == [ChildEnded("tea", result="hot")]


def test_an_error_comes_back_as_a_message_and_the_actor_lives_on() -> None:
    (ended,) = run_virtually(heard_after(2, ("tea", failing())))
    assert ended.name == "tea"
    assert isinstance(ended.error, KeyError)


def test_nothing_is_heard_of_a_child_one_has_cancelled() -> None:
    assert run_virtually(heard_after(5, ("tea", after(1)), "tea")) == []


def test_a_name_is_free_again_at_once_after_cancelling() -> None:
    again = ("tea", after(1, "second"))
    assert run_virtually(heard_after(5, ("tea", stubborn(0.5)), "tea", again)) == [ChildEnded("tea", result="second")]


def test_a_taken_name_is_a_bug_and_leaves_nothing_running() -> None:
    async def main() -> None:
        children = Children("ann", lambda _: None)
        children.spawn("tea", after(9))
        with pytest.raises(ValueError, match="ann has a child tea already"):
            children.spawn("tea", after(9))
        await children.end(0)

    run_virtually(main())


def test_tasks_carry_owner_and_name() -> None:
    async def main() -> None:
        children = Children("ann", lambda _: None)
        children.spawn("tea", after(9))
        assert "ann/tea" in {task.get_name() for task in asyncio.all_tasks()}
        await children.end(0)

    run_virtually(main())


@pytest.mark.parametrize(
    ("patience", "late", "took"),
    [(5, [], 2), (1, ["slow"], 1), (0, ["quick", "slow"], 0)],
)
def test_children_get_their_time_and_who_overstays_is_named(patience: float, late: list[str], took: float) -> None:
    async def main() -> None:
        children = Children("ann", lambda _: None)
        children.spawn("quick", after(0.5))
        children.spawn("slow", after(2))
        assert await children.end(patience) == late
        assert asyncio.get_running_loop().time() == pytest.approx(took)
        assert not children

    run_virtually(main())


def end_with(work: Coroutine[Any, Any, Any], *, cancel_first: bool) -> float:
    async def main() -> float:
        children = Children("ann", lambda _: None)
        children.spawn("work", work)
        await asyncio.sleep(0)
        if cancel_first:
            children.cancel("work")
        await children.end(0)
        took = asyncio.get_running_loop().time()
        await asyncio.sleep(60)
        return took

    return run_virtually(main())


def test_a_child_that_takes_its_leave_is_waited_for_even_if_cancelled_before() -> None:
    assert end_with(stubborn(0.5), cancel_first=True) == pytest.approx(0.5)


def test_a_child_that_will_not_leave_holds_nobody_up_for_long() -> None:
    assert end_with(stubborn(30), cancel_first=False) == pytest.approx(1.0)


def test_who_is_promised_an_answer_waits_alone() -> None:
    async def run() -> None:
        node = Node(Promising)
        async with node.system:
            waiting = asyncio.ensure_future(node.ask("one"))
            await asyncio.sleep(0.1)
            assert await node.ask("one") is False
            assert not waiting.done()
            assert await waiting == "kept"

    run_virtually(run())


@pytest.mark.parametrize(("message", "why"), [("refuse", Overloaded), ("break", Crashed), ("forget", Crashed)])
def test_a_promise_that_is_broken_is_refused(message: str, why: type[Refused]) -> None:
    async def run() -> None:
        node = Node(Promising)
        async with node.system:
            with pytest.raises(why):
                await node.ask(message)
            assert await node.ask(message) is True

    run_virtually(run())
