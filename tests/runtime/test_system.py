"""All actors of a node: woken, retired, and never two of one address at once."""

import asyncio

import pytest

from actors.runtime.actor import ChildEnded
from actors.runtime.envelope import Envelope, NotHere, Overloaded, Refused, TimedOut, Unavailable
from actors.runtime.system import Limits
from tests.runtime.busy import Bad, Busy, asking, crash, make, now
from tests.runtime.memory import MemoryPlacement, Node
from tests.virtual import run_virtually


class Solo(Busy):
    """Notes how many of an address run at once."""

    running = 0

    async def started(self) -> None:
        Solo.running += 1
        assert Solo.running == 1

    async def stopped(self) -> None:
        await asyncio.sleep(0.5)
        Solo.running -= 1


class TestWaking:
    def test_the_first_message_wakes_and_all_messages_arrive_in_order(self) -> None:
        async def main() -> None:
            node = Node(make(starts_after=1))
            async with node.system:
                for number in range(5):
                    node.system.ref("a").tell(number)
                assert await node.ask("last") == "last"
                assert node.made[0].heard == [0, 1, 2, 3, 4, "last"]
                assert "a" in node.system
                assert "b" not in node.system

        run_virtually(main())

    @pytest.mark.parametrize("trouble", [Unavailable(retry_after_ms=7), Overloaded(retry_after_ms=7)])
    def test_a_refusal_to_start_is_told_to_everybody_and_the_address_is_given_up(self, trouble: Refused) -> None:
        async def main() -> None:
            node = Node(make(refuses_to_start=trouble, starts_after=1))
            async with node.system:
                askers = [await asking(node, number) for number in range(3)]
                for refusal in await asyncio.gather(*askers, return_exceptions=True):
                    assert isinstance(refusal, type(trouble))
                    assert (refusal.effect, refusal.retry_after_ms) == ("none", 7)
                await asyncio.sleep(0.1)
                assert node.placement.steps == ["claim a", "release a"]
                assert not node.reports.seen

        run_virtually(main())

    def test_an_address_that_lives_elsewhere_does_not_start_here(self) -> None:
        async def main() -> None:
            node = Node(make(), placement=MemoryPlacement(elsewhere=True))
            async with node.system:
                with pytest.raises(Unavailable) as refused:
                    await node.ask("hello")
                assert refused.value.retry_after_ms == 7
                assert node.made[0].heard == []

        run_virtually(main())

    def test_what_an_activation_told_itself_is_not_sent_on_with_what_others_asked(self) -> None:
        """It has lost its address while its child ended: another activation, perhaps on another node, knows no such child."""

        async def main() -> None:
            node, sent_on = Node(make()), list[object]()

            def undelivered(_: str, envelope: Envelope, why: Refused) -> None:
                sent_on.append(envelope.message)
                envelope.refuse(why)

            node.system.undelivered = undelivered
            async with node.system:
                await node.ask(("child", 0.5))
                busy, waiting = await asking(node, 1.0), await asking(node, "waiting")
                await asyncio.sleep(0.1)
                node.system.lost("a")
                assert await busy == 1.0
                with pytest.raises(NotHere):
                    await waiting
                assert sent_on == ["waiting"]
                assert not node.reports.seen

        run_virtually(main())

    def test_a_message_in_the_last_moment_of_an_actor_reaches_the_next_one(self) -> None:
        """Whenever it comes, it is either answered or refused, and never two of the address run at once."""

        async def main(offset: float) -> None:
            Solo.running = 0
            node = Node(Solo, placement=MemoryPlacement(release_takes=0.3), limits=Limits(idle=1))
            async with node.system:
                await node.ask("first")
                await asyncio.sleep(2 + offset)
                assert await node.ask("second") == "second"
                assert 1 <= len(node.made) <= 3
            claims = [step for step in node.placement.steps if step.startswith("claim")]
            assert node.placement.steps == ["claim a", "release a"] * len(claims)
            assert not node.reports.seen

        for step in range(12):
            run_virtually(main(step / 10))

    def test_beyond_the_limit_nobody_else_is_woken(self) -> None:
        async def main() -> None:
            node = Node(make(), limits=Limits(awake=2))
            async with node.system:
                for address in "ab":
                    await node.ask("hello", address=address)
                with pytest.raises(Overloaded):
                    await node.ask("hello", address="c")
                assert await node.ask("again", address="a") == "again"
                assert len(node.system) == 2

        run_virtually(main())

    def test_at_the_limit_an_address_may_still_wake_anew(self) -> None:
        async def main() -> None:
            node = Node(make(), placement=MemoryPlacement(release_takes=1), limits=Limits(awake=1))
            async with node.system:
                await crash(node)
                assert await node.ask("while the one before is still ending") is not None

        run_virtually(main())

    def test_a_mailbox_fills_while_its_actor_is_busy_and_says_so_at_once(self) -> None:
        async def main() -> None:
            node = Node(make(), limits=Limits(mailbox=3))
            async with node.system:
                busy = await asking(node, 5.0, timeout=10)
                await asyncio.sleep(1)
                waiting = [await asking(node, number, timeout=10) for number in range(3)]
                with pytest.raises(Overloaded):
                    await node.ask("one too many")
                assert now() == pytest.approx(1)
                assert await asyncio.gather(busy, *waiting) == [5.0, 0, 1, 2]

        run_virtually(main())


class TestRetiring:
    def test_who_is_idle_for_a_period_retires_and_wakes_again(self) -> None:
        async def main() -> None:
            node = Node(make(), limits=Limits(idle=10))
            async with node.system:
                await node.ask("hello")
                await asyncio.sleep(9)
                assert "a" in node.system
                await asyncio.sleep(12)
                assert "a" not in node.system
                assert len(node.system) == 0
                assert await node.ask("again") == "again"
                assert len(node.made) == 2

        run_virtually(main())

    def test_who_is_asked_now_and_then_stays(self) -> None:
        async def main() -> None:
            node = Node(make(), limits=Limits(idle=10))
            async with node.system:
                for number in range(20):
                    await node.ask(number)
                    await asyncio.sleep(7)
                assert len(node.made) == 1

        run_virtually(main())

    def test_who_has_a_child_stays_until_it_has_ended(self) -> None:
        async def main() -> None:
            node = Node(make(), limits=Limits(idle=10))
            async with node.system:
                await node.ask(("child", 95))
                await asyncio.sleep(94)
                assert "a" in node.system
                await asyncio.sleep(27)
                assert "a" not in node.system
                assert node.made[0].heard[-1] == ChildEnded("child", result="done")

        run_virtually(main())

    def test_an_address_that_was_lost_ends_here_after_the_message_in_hand(self) -> None:
        async def main() -> None:
            node = Node(make())
            async with node.system:
                busy = await asking(node, 2.0)
                waiting = await asking(node, "waiting")
                await asyncio.sleep(1)
                node.system.lost("a")
                node.system.lost("never seen")
                assert await busy == 2.0
                with pytest.raises(Unavailable) as refused:
                    await waiting
                assert refused.value.effect == "none"
                assert len(node.made) == 1

        run_virtually(main())


def test_ten_thousand_messages_among_crashes_and_retirements_are_each_answered_once() -> None:
    """Whatever happens to their actor, every asker hears one answer or one refusal, and soon."""

    async def main() -> tuple[int, int]:
        node = Node(make(), limits=Limits(idle=0.7, mailbox=50))
        outcomes = {"answered": 0, "refused": 0}

        async def client(number: int) -> None:
            for turn in range(500):
                message = Bad() if (turn * 7 + number) % 97 == 0 else turn
                try:
                    assert await node.ask(message, address=str(number % 5), timeout=40) == message
                    outcomes["answered"] += 1
                except TimedOut:
                    raise AssertionError("nobody answered") from None
                except Refused:
                    outcomes["refused"] += 1
                await asyncio.sleep((turn * number) % 13 / 7)

        async with node.system:
            await asyncio.gather(*(client(number) for number in range(20)))
        return outcomes["answered"], outcomes["refused"]

    answered, refused = run_virtually(main())
    assert answered + refused == 10_000
    assert answered > 9_000
