"""`scripts/chaos`: a fleet at production times, hurt for minutes or hours while people use it; exit code 1 on any finding."""

import asyncio
import random
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from scripts.faults.numbers import BRIEF, PRODUCTION
from scripts.faults.run import Run


def main(
    *,
    minutes: Annotated[float, typer.Option(help="How long people talk; each fault comes at least once.")] = 5.0,
    users: Annotated[int, typer.Option(help="Users, with two devices each.")] = PRODUCTION.users,
    pause: Annotated[float, typer.Option(help="Seconds between two commands of a device.")] = PRODUCTION.pause,
    seed: Annotated[int | None, typer.Option(help="Of the order of faults and of what is said.")] = None,
    brief: Annotated[bool, typer.Option("--brief", help="Short leases and each fault once, as in the tests.")] = False,
) -> None:
    """Three nodes, three mongods and a Valkey of its own. Keeps all they wrote when anything is found."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - no secret
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    numbers = BRIEF if brief else replace(PRODUCTION, users=users, pause=pause)
    console.print(f"seed {seed}; everything is in {directory}")
    run = Run(directory, numbers, console.print, seed=seed, seconds=None if brief else minutes * 60)
    tally = asyncio.run(run.whole())
    tally.show(console)
    if not tally.findings:
        shutil.rmtree(directory)
    else:
        console.print(f"kept for whoever looks into it: {directory}")
    raise typer.Exit(1 if tally.findings else 0)


if __name__ == "__main__":
    typer.run(main)
