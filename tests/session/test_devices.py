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
