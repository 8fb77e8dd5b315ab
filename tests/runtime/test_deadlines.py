"""Askers share timers, and each is told in its own time."""

import asyncio
from collections.abc import Iterator

import pytest

from actors.runtime import deadlines
from actors.runtime.envelope import Envelope, TimedOut
from actors.runtime.ref import Ref
from tests.virtual import run_virtually

LATE = 0.005


async def _silence(limit: float, began: list[Envelope]) -> float:
    """How long an asker waits for who never answers."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    with pytest.raises(TimedOut):
        await Ref("a", began.append).ask("?", timeout=limit)
    return loop.time() - since


@pytest.fixture(autouse=True)
def _nobody_is_left() -> Iterator[None]:
    yield
    assert not deadlines._waited


async def _all_in_time() -> None:
    began: list[Envelope] = []

    async def later(after: float, limit: float) -> float:
        await asyncio.sleep(after)
        return await _silence(limit, began)

    waits = [(0.0, 2.0), (0.5, 2.0), (0.6, 0.3), (1.9, 2.0), (1.9, 5.0), (3.0, 2.0)]
    took = await asyncio.gather(*(later(*one) for one in waits))
    assert took == pytest.approx([limit for _, limit in waits], abs=LATE)
    assert len(began) == len(waits)


async def _answers_leave_the_others_their_time() -> None:
    asked: list[Envelope] = []
    first = asyncio.create_task(Ref("a", asked.append).ask("?", timeout=2), name="first")
    await asyncio.sleep(1)
    second = asyncio.create_task(_silence(2, asked), name="second")
    third = asyncio.create_task(Ref("a", asked.append).ask("?", timeout=2), name="third")
    await asyncio.sleep(0.5)
    third.cancel()
    asked[0].answer("!")
    assert await first == "!"
    assert await second == pytest.approx(2, abs=LATE)


def test_whoever_waits_is_told_in_time() -> None:
    run_virtually(_all_in_time())


def test_an_answer_takes_nobody_elses_time_along() -> None:
    run_virtually(_answers_leave_the_others_their_time())
