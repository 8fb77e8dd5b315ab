"""A bench's verdict follows from its medians, and what is measured takes turns."""

import os
import time

import pytest
from rich.console import Console

from scripts.benchmarks.measure import cpu_seconds, take_turns
from scripts.benchmarks.rows import Budget, Row, show


@pytest.mark.parametrize(
    ("budget", "ours", "baseline", "figure", "holds"),
    [
        (Budget(0.5), [4.0, 5.0, 90.0], [10.0, 10.0, 1.0], 0.5, True),
        (Budget(0.5), [6.0], [10.0], 0.6, False),
        (Budget(0.5, "rate"), [2.0], [1.0], 0.5, True),
        (Budget(5, "rate"), [1.0], [4.9], 4.9, False),
        (Budget(2.5, "absolute"), [2.4, 9.0, 2.6], [], 2.6, False),
    ],
)
def test_a_budget_is_held_by_medians(
    budget: Budget, ours: list[float], baseline: list[float], figure: float, *, holds: bool
) -> None:
    row = Row("row", "what", "ms", budget, ours, baseline)
    assert row.figure == pytest.approx(figure)
    assert row.holds is holds
    console = Console(width=120, record=True, quiet=True)
    show([row], console)
    assert row.plain()["holds"] is holds


async def test_contenders_take_turns_in_both_orders() -> None:
    order: list[str] = []

    async def one() -> float:
        order.append("one")
        return 1.0

    async def two() -> float:
        order.append("two")
        return 2.0

    assert await take_turns(2, {"one": one, "two": two}) == {"one": [1.0, 1.0], "two": [2.0, 2.0]}
    assert order == ["one", "two", "two", "one"]


def test_cpu_time_is_read_from_outside() -> None:
    before, own = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - own < 0.1:
        pass
    assert 0.08 < cpu_seconds(os.getpid()) - before < 0.3
