"""A task that lives as long as the context that owns it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from actors.runtime.outside import Report

CANCEL_AGAIN = 0.1  # seconds; wait_for, which redis-py sends with, swallows a cancellation now and then before 3.12


@asynccontextmanager
async def owned(work: Coroutine[Any, Any, None], name: str, report: Report) -> AsyncIterator[None]:
    """Cancelled at the end. A crash is reported when it happens and raised at the end; the body goes on without it."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(lambda done: _tell(done, report))
    try:
        yield
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN)
    if not task.cancelled():
        task.result()


def _tell(done: asyncio.Task[None], report: Report) -> None:
    problem = None if done.cancelled() else done.exception()
    if problem is not None:
        report("task.crashed", {"task": done.get_name(), "error": type(problem).__name__})
