"""The table that start-up prints: each part, real or stand-in, where, how healthy, which setting replaces it."""

import asyncio

from rich.console import Console
from rich.table import Table

from scripts.embedded.health import Health, check_mongo, check_redis, check_smtp
from scripts.embedded.stack import Part, Stack

COLORS = {"real": "green", "stand-in": "yellow", "off": "dim"}


async def print_table(console: Console, stack: Stack) -> None:
    healths = await asyncio.gather(*(_health(part, stack) for part in stack.parts))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("part", "state", "where", "health", "replaced by"):
        table.add_column(title, overflow="fold")
    for part, health in zip(stack.parts, healths, strict=True):
        state = f"[{COLORS[part.state]}]{part.state}[/]"
        told = "comes up later" if part.name in stack.later else words(health)
        table.add_row(part.name, state, part.where, told, part.setting)
    console.print(table)
    for part in stack.parts:
        if part.note:
            console.print(f"[dim]{part.name}: {part.note}[/]")


def words(health: Health | None) -> str:
    if health is None:
        return "not asked"
    return f"[green]well[/], {health.milliseconds:.0f} ms" if health.well else f"[red]{health.why}[/]"


async def _health(part: Part, stack: Stack) -> Health | None:
    if part.name == "mongodb":
        return await check_mongo(stack.variables[part.setting])
    if part.name == "valkey":
        return await check_redis(stack.variables[part.setting])
    if part.name == "mail":
        return await check_smtp(stack.variables[part.setting]) if part.state == "stand-in" else None
    return None  # a provider is asked by people's questions, not by a start; what comes up later is told later
