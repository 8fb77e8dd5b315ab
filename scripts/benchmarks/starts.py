"""Rows `wake` and `ready`: how soon a retired session, and how soon a node, is there again."""

import sys
import time
from collections.abc import Sequence

from scripts.benchmarks.programs import node
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.venv import figures


async def wake(setting: Setting) -> Sequence[Row]:
    variables = await setting.node_variables("waking")
    argv = (sys.executable, "-m", "scripts.benchmarks.contenders.wakes", str(setting.rounds))
    told = await figures(*argv, environment=variables)
    what = "a session, log 2,000 long, snapshot 188 old (time)"
    return [Row("wake", what, "ms", Budget(3), told["ours"], told["reads"], "one find_one and one tail read")]


async def ready(setting: Setting) -> Sequence[Row]:
    """A node starts over and over on what the one before it left; the first, which makes the schema, is not counted."""
    variables = await setting.node_variables("starting")
    took: list[float] = []
    for number in range(setting.rounds + 1):
        began = time.monotonic()
        async with node(setting.directory / f"start-{number}.log", variables):
            took.append(time.monotonic() - began)
    what = "a node, everything else already up (time)"
    return [Row("ready", what, "s", Budget(2.5, "absolute"), took[1:])]
