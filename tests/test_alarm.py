"""A time to be woken at, in the loop of the server, whose timers differ from asyncio's."""

import asyncio
import math

import uvloop

from actors.alarm import Alarm

SOON = 0.005


def test_it_rings_once_at_the_time_it_was_set_to_last() -> None:
    async def main() -> None:
        loop, rung = asyncio.get_running_loop(), list[str]()
        alarm = Alarm()
        alarm.set(loop.time() + SOON, lambda: rung.append("first"))
        alarm.set(loop.time() + 2 * SOON, lambda: rung.append("second"))
        await asyncio.sleep(6 * SOON)
        assert rung == ["second"]

    uvloop.run(main())


def test_what_is_past_rings_at_once_however_often_it_is_set() -> None:
    async def main() -> None:
        now, rung = asyncio.get_running_loop().time(), list[str]()
        alarm = Alarm()
        for due in (now - 1, now - 1, now, now + 0.0001):
            alarm.set(due, lambda: rung.append("now"))
        await asyncio.sleep(SOON)
        assert rung == ["now"]
        alarm.set(now, lambda: rung.append("again"))
        await asyncio.sleep(SOON)
        assert rung == ["now", "again"]

    uvloop.run(main())


def test_set_to_never_or_cleared_it_stays_silent() -> None:
    async def main() -> None:
        loop, rung = asyncio.get_running_loop(), list[str]()
        alarm = Alarm()
        alarm.set(loop.time() + SOON, lambda: rung.append("late"))
        alarm.set(math.inf, lambda: rung.append("never"))
        alarm.set(loop.time(), lambda: rung.append("now"))
        alarm.clear()
        await asyncio.sleep(2 * SOON)
        assert rung == []
        alarm.set(loop.time(), lambda: rung.append("then"))
        await asyncio.sleep(SOON)
        assert rung == ["then"]

    uvloop.run(main())
