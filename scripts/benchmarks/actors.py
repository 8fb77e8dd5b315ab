"""Row `actor`: a message to an actor in the same process, beside a bare queue, pykka and xoscar."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from scripts.benchmarks.measure import take_turns
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.venv import bench_python, figures

CONTENDERS = Path(__file__).with_name("contenders")
US = "µs"


async def actor(setting: Setting) -> Sequence[Row]:
    others = await bench_python(setting.keep / "venv")
    tells: dict[str, list[float]] = {}
    asks: dict[str, list[float]] = {}

    async def run(name: str, *argv: str | Path) -> float:
        measured = await figures(*argv)
        for kind, kept in (("tell", tells), ("ask", asks)):
            if kind in measured:
                kept.setdefault(name, []).append(measured[kind])
        return 0.0

    contenders = {
        "ours": partial(run, "ours", sys.executable, "-m", "scripts.benchmarks.contenders.ours"),
        "queue": partial(run, "queue", sys.executable, CONTENDERS / "bare_queue.py"),
        "pykka": partial(run, "pykka", others, CONTENDERS / "pykka_actor.py"),
        "xoscar": partial(run, "xoscar", others, CONTENDERS / "xoscar_actor.py"),
    }
    await take_turns(setting.rounds, contenders)
    tell, ask = "tell and handle (CPU)", "ask and answer (CPU)"
    return [
        Row("actor", tell, US, Budget(0.5, "rate"), tells["ours"], tells["queue"], "a bare asyncio.Queue's consumer"),
        Row("actor", tell, US, Budget(5, "rate"), tells["ours"], tells["pykka"], "pykka's tell"),
        Row("actor", ask, US, Budget(0.2), asks["ours"], asks["xoscar"], "xoscar's ask"),
    ]
