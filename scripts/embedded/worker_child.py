"""A worker beside the server of one machine, so that its loop is free of jobs; started again should it end."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from scripts.embedded.child import Child

EVERY, AGAIN_AFTER = 0.5, 5.0  # seconds
STOPS_WITHIN = 15.0


@asynccontextmanager
async def worker_beside(variables: Mapping[str, str], log: Path, console: Console) -> AsyncIterator[None]:
    """None without a place for files: there is nothing for it to do. What it prints is in the log file."""
    if "LIFEBUDDY_S3_URL" not in variables and not os.environ.get("LIFEBUDDY_S3_URL"):
        yield
        return
    worker = Child("worker", [sys.executable, "-m", "scripts.worker"], log, {**os.environ, **variables})
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_kept_up(worker, console), name="worker-watch")
        try:
            yield
        finally:
            watch.cancel()
            await worker.stop(STOPS_WITHIN)


async def _kept_up(worker: Child, console: Console) -> None:
    worker.start()
    while True:
        await asyncio.sleep(EVERY)
        if not worker.alive:
            console.print(f"[yellow]the worker ended with {worker.exit_code} (see {worker.log}); starting it again[/]")
            await asyncio.sleep(AGAIN_AFTER)
            worker.start()
