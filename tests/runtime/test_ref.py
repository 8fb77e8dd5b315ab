"""Tell and ask: every ask ends in time, and says whether anything may have happened."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
import structlog

from actors.runtime.actor import Actor, ChildEnded
from actors.runtime.envelope import Refused, TimedOut
from actors.runtime.tracing import Trace, trace_id
from tests.runtime.memory import Node
from tests.spans import Noted
from tests.virtual import run_virtually


class Echo(Actor):
    """Answers after as many seconds as it is told, and remembers what it began."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.begun: list[Any] = []
        self.traces: list[Trace | None] = []

    async def receive(self, message: Any) -> Any:
        self.begun.append(message)
        self.traces.append(trace_id.get())
        match message:
            case float(seconds):
                await asyncio.sleep(seconds)
            case "refuse":
                raise Refused(fields={"a": "is wrong"})
            case "child":
                self.children.spawn("child", self._ask_back())
            case "logged":
                return structlog.contextvars.get_contextvars()
        return message

    async def _ask_back(self) -> None:
        await self.me.ask("from the child", timeout=1)


def test_what_the_actor_returns_is_the_answer() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            assert await node.ask("hello") == "hello"

    run_virtually(main())


def test_what_the_actor_refuses_with_is_raised_and_the_actor_lives_on() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            with pytest.raises(Refused) as refused:
                await node.ask("refuse")
            assert refused.value.fields == {"a": "is wrong"}
            assert await node.ask("hello") == "hello"
            assert len(node.made) == 1

    run_virtually(main())


def test_a_message_that_was_begun_may_have_had_an_effect() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            with pytest.raises(TimedOut) as refused:
                await node.ask(9.0, timeout=2)
            assert refused.value.effect == "unknown"
            assert asyncio.get_running_loop().time() == pytest.approx(2)

    run_virtually(main())


def test_a_message_that_was_not_begun_had_none_and_never_will() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            node.system.ref("a").tell(5.0)
            with pytest.raises(TimedOut) as refused:
                await node.ask("too late", timeout=2)
            assert refused.value.effect == "none"
            assert await node.ask("next", timeout=9) == "next"
            assert node.made[0].begun == [5.0, "next"]

    run_virtually(main())


def test_an_asker_who_goes_away_takes_the_unread_question_along() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            node.system.ref("a").tell(5.0)
            asker = asyncio.create_task(node.ask("never mind"), name="asker")
            await asyncio.sleep(1)
            asker.cancel()
            assert await node.ask("next", timeout=9) == "next"
            assert node.made[0].begun == [5.0, "next"]

    run_virtually(main())


def test_an_asker_who_goes_away_while_it_is_handled_does_not_disturb_the_actor() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await node.ask(3.0)
            assert await node.ask("next") == "next"
            assert len(node.made) == 1

    run_virtually(main())


def test_a_trace_goes_where_its_message_goes_and_no_further() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            ref = node.system.ref("a")
            await ref.ask("child", timeout=1, trace="t1")
            await asyncio.sleep(1)
            await ref.ask("untraced", timeout=1)
            assert await ref.ask("logged", timeout=1, trace="t2") == {"trace_id": "t2"}
            seen = list(zip(node.made[0].begun, node.made[0].traces, strict=True))
        assert seen == [
            ("child", "t1"),
            ("from the child", "t1"),
            (ChildEnded("child"), "t1"),
            ("untraced", None),
            ("logged", "t2"),
        ]

    run_virtually(main())


def test_of_a_watched_trace_what_actors_and_their_children_do_is_a_part() -> None:
    async def main() -> None:
        node, watched = Node(Echo), Noted("door")
        async with node.system:
            ref = node.system.ref("a")
            await ref.ask("child", timeout=1, trace=watched)
            await asyncio.sleep(1)
            assert await ref.ask("logged", timeout=1, trace=watched) == {"trace_id": "trace of door"}
            with pytest.raises(Refused):
                await ref.ask("refuse", timeout=1, trace=watched)
            await ref.ask("untraced", timeout=1)
            assert node.made[0].traces[-1] is None
        child, logged, refused = watched.parts
        assert [part.name for part in child.parts] == ["str", "ChildEnded"], "the child asked back, and ended"
        assert (logged.told, logged.problem) == ({"address": "a"}, None)
        assert refused.problem == "refused"
        assert all(part.ended for part in [*watched.parts, *child.parts])

    run_virtually(main())


def test_who_wakes_an_actor_does_not_lend_it_their_trace_for_life() -> None:
    async def main() -> None:
        node = Node(Echo)
        async with node.system:
            with structlog.contextvars.bound_contextvars(trace_id="the first visitor"):
                await node.ask("wake")
            assert "the first visitor" not in str(await node.ask("logged"))

    run_virtually(main())


class Told:
    """Something weak references can watch."""


class RefusesTold(Actor):
    async def receive(self, message: Any) -> Any:
        raise Refused


@pytest.mark.parametrize("collect", [False, True])
def test_a_refused_question_leaves_nothing_in_memory(*, collect: bool) -> None:
    """Not even until the collector runs, which on a server is seldom."""

    async def main() -> int:
        node, told = Node(RefusesTold), []
        async with node.system:
            for _ in range(20):
                message = Told()
                told.append(weakref.ref(message))
                with pytest.raises(Refused):
                    await node.ask(message)
                del message
            await asyncio.sleep(0)
            if collect:
                gc.collect()
            return sum(watched() is not None for watched in told)

    assert run_virtually(main()) == 0
