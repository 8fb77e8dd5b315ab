"""Whose device is where: the newest connection of each stays, and no more of them than there may be."""

import asyncio
from collections.abc import Awaitable, Callable

from actors.questions import Renew
from actors.session.devices import LEASE, Devices
from tests.virtual import run_virtually


def virtually(story: Callable[[Devices], Awaitable[None]], most: int = 32) -> None:
    async def main() -> None:
        await story(Devices(most))

    run_virtually(main())


def test_the_same_device_at_another_node_supersedes_its_older_connection() -> None:
    async def story(devices: Devices) -> None:
        devices.attach("a.1", "phone")
        devices.attach("a.2", "laptop")
        assert devices.superseded() == []
        await asyncio.sleep(1)
        devices.attach("b.1", "phone")
        assert devices.superseded() == ["a.1"]
        assert devices.nodes == {"a", "b"}
        assert devices.but("a.2") == ["b.1"]

    virtually(story)


def test_beyond_the_bound_the_oldest_goes_wherever_it_is() -> None:
    async def story(devices: Devices) -> None:
        for number, node in enumerate("abc"):
            devices.attach(f"{node}.{number}", f"device {number}")
            await asyncio.sleep(1)
        assert devices.superseded() == ["a.0"]
        assert devices.nodes == {"b", "c"}

    virtually(story, most=2)


def test_of_two_that_came_in_the_same_tick_of_the_clock_the_later_stays() -> None:
    async def story(devices: Devices) -> None:
        devices.attach("a.1", "phone")
        devices.attach("b.1", "phone")
        assert devices.superseded() == ["a.1"]
        devices.attach("b.2", "laptop")
        devices.attach("b.3", "tablet")
        assert devices.superseded() == ["b.1"]

    virtually(story, most=2)


def test_a_session_that_has_moved_learns_from_renewals_which_connection_is_the_older() -> None:
    async def story(devices: Devices) -> None:
        devices.renew(Renew("b", ["b.new"], ["phone"], [2.0]))
        assert devices.superseded() == []
        devices.renew(Renew("a", ["a.old", "a.laptop"], ["phone", "laptop"], [60.0, 90.0]))
        assert devices.superseded() == ["a.old"]
        await asyncio.sleep(1)
        devices.renew(Renew("a", ["a.old", "a.laptop"], ["phone", "laptop"], [61.0, 91.0]))
        assert devices.superseded() == ["a.old"], "the word that it was to go was lost"

    virtually(story)


def test_who_is_renewed_stays_as_old_as_it_is_and_who_is_not_lapses() -> None:
    async def story(devices: Devices) -> None:
        devices.attach("a.1", "phone")
        devices.attach("b.1", "laptop")
        await asyncio.sleep(LEASE - 1)
        devices.renew(Renew("a", ["a.1"], ["phone"], [0.0]))
        await asyncio.sleep(2)
        assert devices.nodes == {"a"}
        devices.attach("b.2", "phone")
        assert devices.superseded() == ["a.1"]
        devices.renew(Renew("b", []))
        assert not devices

    virtually(story)


def test_who_looks_at_one_device_is_online_who_looks_at_none_is_away() -> None:
    async def story(devices: Devices) -> None:
        seen = [(devices.state, devices.silence)]
        devices.attach("a.1", "phone")
        devices.attach("b.1", "laptop")
        devices.set_away("a.1", away=True)
        seen.append((devices.state, devices.silence))
        devices.renew(Renew("b", ["b.1"], ["laptop"], [0.0], away=["b.1"]))
        seen.append((devices.state, devices.silence))
        devices.attach("a.1", "phone")
        seen.append((devices.state, devices.silence))
        assert seen == [("offline", None), ("online", 0.0), ("away", 0.0), ("online", 0.0)]

    virtually(story)


def test_who_has_just_gone_is_away_for_a_lease_and_then_offline_since_they_went() -> None:
    async def story(devices: Devices) -> None:
        devices.attach("a.1", "phone")
        await asyncio.sleep(5)
        devices.detach("a.1")
        await asyncio.sleep(LEASE - 1)
        assert (devices.state, devices.silence) == ("away", LEASE - 1)
        await asyncio.sleep(1)
        assert (devices.state, devices.silence) == ("offline", LEASE)

    virtually(story)


def test_whose_node_died_is_online_for_a_lease_and_then_was_last_seen_when_it_was_renewed() -> None:
    async def story(devices: Devices) -> None:
        devices.attach("a.1", "phone")
        await asyncio.sleep(10)
        devices.renew(Renew("a", ["a.1"], ["phone"], [10.0]))
        await asyncio.sleep(LEASE - 1)
        assert (devices.state, devices.silence) == ("online", 0.0)
        await asyncio.sleep(2)
        assert (devices.state, devices.silence) == ("offline", LEASE + 1)

    virtually(story)
