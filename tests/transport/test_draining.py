"""A node's end: every stage has its turn, whatever the ones before did, and who overstays is named."""

import asyncio
import contextlib
from typing import Any

from tests.virtual import run_virtually
from transport.draining import Stage, drain


def drained(*stages: Stage, within: float = 25.0) -> tuple[list[tuple[str, dict[str, Any]]], float]:
    """What was reported, and how long it took."""
    told: list[tuple[str, dict[str, Any]]] = []

    async def ended() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await drain(stages, within, lambda event, fields: told.append((event, fields)))
        return loop.time() - began

    return told, run_virtually(ended())


async def overstay() -> None:
    await asyncio.sleep(3600)


async def heedless() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await overstay()
    await overstay()


async def fail() -> None:
    raise OSError


def test_who_overstays_is_named_and_the_next_stage_begins_in_time() -> None:
    begun: list[str] = []

    async def note() -> None:
        begun.append("sockets")

    async def some_late() -> list[str]:
        await asyncio.sleep(1.0)
        return ["session:ann/reply"]

    told, took = drained(
        Stage("actors", 10.0, some_late),
        Stage("writes", 5.0, overstay, lambda: ["event_log 1"]),
        Stage("sockets", 5.0, note),
    )
    assert begun == ["sockets"]
    assert took == 6.0
    assert [(fields["stage"], fields["count"], fields["who"]) for _, fields in told] == [
        ("actors", 1, ["session:ann/reply"]),
        ("writes", 1, ["event_log 1"]),
    ]


def test_all_together_take_no_longer_than_they_may() -> None:
    stages = [Stage(str(number), 10.0, overstay) for number in range(5)]
    told, took = drained(*stages, within=25.0)
    assert took == 25.0
    assert [fields["seconds"] for _, fields in told] == [10.0, 10.0, 5.0, 0.0, 0.0]


def test_what_heeds_no_cancellation_and_what_fails_keep_nobody() -> None:
    told, took = drained(Stage("lease", 2.0, fail, lambda: ["n1"]), Stage("actors", 3.0, heedless))
    assert took == 3.0
    assert [(event, fields.get("error"), fields.get("who")) for event, fields in told] == [
        ("drain.failed", "OSError", None),
        ("drain.overstayed", None, ["n1"]),
        ("drain.overstayed", None, ["actors"]),
    ]
