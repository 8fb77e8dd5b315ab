"""Calls that come and go: `python -m scripts.call_cycles 1000` tells whether they leave anything behind, exit 1 if so."""

import asyncio
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from scripts.benchmarks.calls import Callee, callee, calling
from transport.webrtc.seams.host_addresses import loopback_only

WARM = 100
"""Calls after which everything is loaded and the allocator has what it needs."""
GROWTH = 0.05
"""Of the memory, that is taken for the allocator's own."""
COLLECTED = 100
"""Calls after which the collector runs: aiortc's connections are cycles, which it alone frees, and memory keeps their number."""
MEGABYTE = 1 << 20
FLAT = ("tasks", "threads", "descriptors")


async def cycles(at: Callee, count: int) -> dict[str, Any]:
    for nth in range(count):
        async with calling(at):
            await asyncio.sleep(0.02)
        if nth % COLLECTED == 0:
            await at.ask(left=True)
    await asyncio.sleep(1)
    return await at.ask(left=True)


async def measure(count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is there after the first calls, and after as many more as are wanted."""
    with loopback_only():
        async with callee("ours") as at:
            return await cycles(at, WARM), await cycles(at, count)


def main(count: Annotated[int, typer.Argument(help="Calls to make and end.")] = 1000) -> None:
    before, after = uvloop.run(measure(count))
    table = Table("", f"after {WARM}", f"after {count} more")
    for name in FLAT:
        table.add_row(name, str(before[name]), str(after[name]))
    table.add_row("MiB in RAM", f"{before['resident'] / MEGABYTE:.1f}", f"{after['resident'] / MEGABYTE:.1f}")
    Console().print(table)
    flat = all(after[name] <= before[name] for name in FLAT)
    raise typer.Exit(0 if flat and after["resident"] <= before["resident"] * (1 + GROWTH) else 1)


if __name__ == "__main__":
    typer.run(main)
