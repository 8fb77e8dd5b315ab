"""A node is asked for many of its sessions at once: whoever is awake answers, nobody is woken or waited for too long."""

import asyncio
from typing import Any

import pytest

from actors.attendance import PATIENCE, Attendance
from actors.domain.addresses import session_address
from actors.questions import Attached, Missed, Renew, Renewal, RenewAll, Renewed
from actors.runtime.envelope import Refused, Unavailable
from actors.session.standings import Standings
from tests.runtime.busy import now
from tests.test_directory import Station, fleet
from tests.virtual import run_virtually

HANGS = "hangs"


def renewals(*users: str) -> RenewAll:
    return RenewAll("a", [Renewal(user, [f"a.{user}"], ["phone"], [0.0], 3) for user in users])


async def wake(station: Station, *users: str) -> None:
    """Sessions that answer a renewal with a head of their own: 10 and the place among these."""
    station.directory.attend = Attendance(station.system, Standings()).take
    for place, user in enumerate(users):
        await station.ask("wake up", user)
        actor: Any = station.system._cells[session_address(user)].actor
        actor.receive = _session(user, 10 + place)


def _session(user: str, head: int) -> Any:
    async def receive(message: Renew) -> Attached:
        assert (message.node, message.connections, message.seq) == ("a", [f"a.{user}"], 3)
        await asyncio.sleep(60 if user == HANGS else 0)
        return Attached("log", head)

    return receive


def test_one_question_to_a_node_is_answered_for_all_who_are_awake_there() -> None:
    async def main() -> None:
        a, b = fleet("a", "b")
        async with a.system, b.system:
            await wake(b, "ann", "bo")
            batch = renewals("bo", "asleep", "ann")
            assert await a.directory.at("b").ask(batch, timeout=5) == Renewed("log", [11, None, 10])
            assert await b.directory.at("b").ask(batch, timeout=5) == Renewed("log", [11, None, 10])
            assert len(b.system) == 2, "somebody was woken"

    run_virtually(main())


def test_a_session_that_hangs_is_left_out_before_the_asker_gives_up() -> None:
    async def main() -> None:
        a, b = fleet("a", "b")
        async with a.system, b.system:
            await wake(b, "ann", HANGS)
            began = now()
            assert await a.directory.at("b").ask(renewals(HANGS, "ann"), timeout=5) == Renewed("log", [None, 10])
            assert now() - began == pytest.approx(5 * PATIENCE, abs=0.1)

    run_virtually(main())


def test_a_node_that_is_gone_or_knows_no_such_question_says_so() -> None:
    async def main() -> None:
        a, b = fleet("a", "b")
        async with a.system, b.system:
            with pytest.raises(Refused) as nobody:
                await a.directory.at("b").ask(renewals("ann"), timeout=5)
            assert nobody.value.effect == "none"
            await wake(b, "ann")
            with pytest.raises(Unavailable):
                await a.directory.at("b").ask(Missed(1), timeout=5)

    run_virtually(main())


def test_where_a_session_is_known_to_be_is_what_was_learnt_by_asking_it() -> None:
    async def main() -> None:
        a, b = fleet("a", "b")
        async with a.system, b.system:
            assert a.directory.whereabouts("ann") is None
            await b.ask("hello")
            await a.ask("hello")
            assert (a.directory.whereabouts("ann"), b.directory.whereabouts("ann")) == ("b", "b")

    run_virtually(main())
