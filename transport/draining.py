"""How a node ends: stage by stage, each with its time, and whoever overstays is named."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from actors.runtime.outside import Report

NAMED = 20
"""How many of those who overstay are named; all are counted."""


class Stage(msgspec.Struct, frozen=True):
    """`work` answers who did not end in it, if it can tell; where it is cut short after `limit` seconds, `left` says."""

    name: str
    limit: float
    work: Callable[[], Coroutine[Any, Any, Sequence[str] | None]]
    left: Callable[[], Sequence[str]] = list


async def drain(stages: Sequence[Stage], within: float, report: Report) -> None:
    """All stages in turn, within so many seconds altogether. One that fails or overstays does not keep the next."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    for stage in stages:
        limit = max(0.0, min(stage.limit, deadline - loop.time()))
        late = await _pass(stage, limit, report)
        if late:
            named = {"stage": stage.name, "seconds": round(limit, 1), "count": len(late), "who": list(late[:NAMED])}
            report("drain.overstayed", named)


async def _pass(stage: Stage, limit: float, report: Report) -> Sequence[str]:
    """Who is left. What does not heed its cancellation is not waited for."""
    work = asyncio.create_task(stage.work(), name=f"drain.{stage.name}")
    try:
        await asyncio.wait({work}, timeout=limit)
    finally:
        work.cancel()
    if not work.done():
        return stage.left() or [stage.name]
    error = None if work.cancelled() else work.exception()
    if error is not None:
        report("drain.failed", {"stage": stage.name, "error": type(error).__name__})
        return stage.left()
    return work.result() or ()
