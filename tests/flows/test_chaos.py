"""A fleet that suffers every fault in turn while people use it: what `scripts/chaos` does for hours, in brief."""

from pathlib import Path

import pytest
from rich.console import Console

from scripts.faults.faults import FAULTS
from scripts.faults.numbers import BRIEF
from scripts.faults.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # eight servers start, and leases run out again and again


async def test_whatever_befalls_the_fleet_what_was_acknowledged_is_there_once_on_every_device(tmp_path: Path) -> None:
    run = Run(tmp_path, BRIEF, print, seed=20)
    tally = await run.whole()
    tally.show(Console(width=140))  # shown with -s, and when it fails
    assert tally.findings == []
    assert [hurt.name for hurt in tally.hurts] == list(FAULTS)
    assert min(tally.retried, tally.unknown_settled, tally.repeated) > 0, "this run proved nothing"
    assert tally.replies > 100
    assert tally.events > 2 * (tally.acked + tally.replies), "each device has seen each command and each reply"
