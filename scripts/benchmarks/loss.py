"""Row `loss`: a caller's voice over bad networks, beside aiortc's own jitter buffer, and Chromium's where there is one."""

import asyncio
import math
from collections.abc import Iterator, Sequence

from scripts.benchmarks.heard import Outcome, by_aiortc, by_us, over_loopback, voice
from scripts.benchmarks.oracle import Figures, heard_by_chromium, is_there
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.traces import IN_TIME, Trace, traces
from scripts.calling.line import loopback_offered

PACKETS = 1500
AIORTC = "aiortc's jitter buffer"
CHROMIUM = "Chromium's"
SHORTENS = "on a busy machine its buffer holds more than it wants; it shortens holes then, where ours keeps the time"
DELAY = Budget(1000 * IN_TIME, "absolute")
NONE = Budget(0, "absolute")
SLACK = 1.1
"""Of Chromium's concealed frames, up to a whole one: it blends them into what follows, ours are whole."""


async def loss(_: Setting) -> Sequence[Row]:
    matrix = traces(PACKETS)
    sounds = voice(len(matrix[0].delays))
    with loopback_offered():
        ours, stock = await _both(matrix, sounds)
        told = await heard_by_chromium(matrix, sounds) if is_there() else {}
    if not told:
        print("loss: nothing beside Chromium's figures, there is no chromium on PATH")
    return [row for n, trace in enumerate(matrix) for row in rows(trace, ours[n], stock[n], told.get(trace.name))]


def rows(trace: Trace, ours: Outcome, stock: Outcome, chromium: Figures | None) -> Iterator[Row]:
    waits = f"p50 {ours.delay(0.5):.1f} ms, {AIORTC} {stock.delay(0.5):.0f}"
    if chromium is not None:
        waits += f"; Chromium's mean {chromium.milliseconds:.0f}"
    delays, missed = ([ours.delay(0.95)], [stock.delay(0.95)]), ([ours.missed], [stock.missed])
    yield Row("loss", f"{trace.name}: added delay, p95", "ms", DELAY, *delays, AIORTC, waits)
    used = f"of {len(ours.arrivals)} that came {len(ours.heard)} are heard, {len(stock.heard)} through {AIORTC}"
    yield Row("loss", f"{trace.name}: came in time, not heard", "packets", NONE, *missed, AIORTC, used)
    if chromium is not None:
        most = Budget(math.ceil(SLACK * chromium.frames), "absolute")
        made_up = [ours.concealed], [chromium.frames]
        yield Row("loss", f"{trace.name}: made up", "frames", most, *made_up, CHROMIUM, SHORTENS)


async def _both(matrix: Sequence[Trace], sounds: Sequence[bytes]) -> tuple[list[Outcome], list[Outcome]]:
    """All at the same time, so that none has the better minutes."""
    async with asyncio.TaskGroup() as together:
        ours, stock = (
            [
                together.create_task(over_loopback(trace, sounds, listening), name=f"bench.{trace.name}")
                for trace in matrix
            ]
            for listening in (by_us, by_aiortc)
        )
    return [one.result() for one in ours], [one.result() for one in stock]
