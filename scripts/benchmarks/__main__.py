"""`scripts/bench`: each row beside its baseline in the same run; one table, JSON for comparison, exit 1 when one is short."""

import asyncio
import json
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from scripts.benchmarks.actors import actor
from scripts.benchmarks.calls import answer, call_cpu
from scripts.benchmarks.chat import chat
from scripts.benchmarks.fleet import mesh, takeover
from scripts.benchmarks.local import local
from scripts.benchmarks.loss import loss
from scripts.benchmarks.rest import rest
from scripts.benchmarks.rows import Row, show
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.sockets import crowd, fan_out, idle, socket
from scripts.benchmarks.speech import speech
from scripts.benchmarks.starts import ready, wake
from scripts.benchmarks.venv import ProgramFailedError
from scripts.benchmarks.voice import voice
from scripts.embedded.child import StartError

Bench = Callable[[Setting], Awaitable[Sequence[Row]]]

BENCHES: dict[str, Bench] = {
    "actor": actor,
    "chat.send": chat,
    "socket": socket,
    "fan-out": fan_out,
    "idle": idle,
    "rest": rest,
    "wake": wake,
    "ready": ready,
    "answer": answer,
    "call-cpu": call_cpu,
    "crowd": crowd,
    "mesh": mesh,
    "takeover": takeover,
    "local": local,
    "voice": voice,
    "speech": speech,
    "loss": loss,
}
LONG = frozenset({"crowd", "local", "loss", "speech", "takeover", "voice"})
"""Not among those of `--quick`."""
KEPT_RUNS = 200


def main(
    rows: Annotated[list[str] | None, typer.Argument(help=f"Rows: {', '.join(BENCHES)}. Without any, all.")] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer rounds: under 5 minutes.")] = False,
    json_file: Annotated[Path, typer.Option("--json", help="Runs are added to this file.")] = Path("bench.json"),
    keep: Annotated[Path, typer.Option(help="Where packages of baselines are kept.")] = Path("data/bench"),
) -> None:
    """Ratios of one run on one machine: only these mean anything."""
    wanted = rows or [name for name in BENCHES if not (quick and name in LONG)]
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        raise typer.BadParameter(f"no such row: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        measured = asyncio.run(run(wanted, console, keep.resolve(), quick=quick))
    except (ProgramFailedError, StartError, ConnectionError) as problem:
        console.print(f"[red]not measured:[/] {problem}")
        raise typer.Exit(2) from problem
    show(measured, console)
    remember(measured, json_file, quick=quick)
    raise typer.Exit(0 if all(row.holds for row in measured) else 1)


async def run(names: Sequence[str], console: Console, keep: Path, *, quick: bool) -> list[Row]:
    measured: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lifebuddy-bench-") as directory:
        async with AsyncExitStack() as opened:
            setting = Setting(Path(directory), keep, 3 if quick else 7, opened)
            for name in names:
                began = time.monotonic()
                measured += await BENCHES[name](setting)
                console.print(f"{name}: {time.monotonic() - began:.0f} s")
    return measured


def remember(rows: Sequence[Row], json_file: Path, *, quick: bool) -> None:
    runs = json.loads(json_file.read_text()) if json_file.exists() else []
    run = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["scripts/bench", *sys.argv[1:]]),
        "quick": quick,
        "machine": f"{platform.platform()}, {platform.machine()}, Python {platform.python_version()}",
        "rows": [row.plain() for row in rows],
    }
    json_file.write_text(json.dumps([*runs, run][-KEPT_RUNS:], indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
