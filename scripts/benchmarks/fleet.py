"""Rows `mesh` and `takeover`: what another node costs, and what losing one costs."""

import sys
from collections.abc import Sequence
from functools import partial

from config.settings import read_settings
from scripts.benchmarks.measure import take_turns
from scripts.benchmarks.programs import load, node
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.venv import figures

PEOPLE = 2_000


async def takeover(setting: Setting) -> Sequence[Row]:
    """Everybody has a device at either node and their session at the one that is killed. Production's own times."""
    crowd = (sys.executable, "-m", "scripts.benchmarks.contenders.crowd", str(PEOPLE), "0", "0")
    limit = read_settings().membership_ttl_seconds
    firsts, lasts = list[float](), list[float]()
    for number in range(max(1, setting.rounds // 3)):
        name = f"takeover-{number}"  # sessions of the nodes of the round before would be looked for there
        variables = {**await setting.node_variables(name), "LIFEBUDDY_LIMITS_SCALE": "1000000"}
        tokens: list[str] = (await figures(*crowd, environment=variables))["tokens"]
        names = (setting.directory / f"{which}-{number}.log" for which in ("killed", "taking"))
        async with (
            node(next(names), variables) as (killed, before),
            node(next(names), variables) as (_, after),
            load() as at_killed,
            load() as at_taking,
        ):
            await at_killed.order("connect", url=before, tokens=tokens)
            await at_taking.order("connect", url=after, tokens=tokens)
            await at_taking.order("insist", what="goal.create", users=[0, PEOPLE])
            killed.kill()
            first = (await at_taking.order("insist", what="goal.create", users=[0, 1]))["last"]
            everybody = (await at_taking.order("insist", what="goal.create", users=[0, PEOPLE]))["last"]
            firsts.append(first)
            lasts.append(first + everybody)
    note = f"membership limit {limit:g} s"
    one, all_of_them = (
        "a node killed: a command acknowledged, asked every 250 ms (time)",
        f"then of all its {PEOPLE} users (time)",
    )
    return [
        Row("takeover", one, "s", Budget(limit + 1, "absolute"), firsts, note=note),
        Row("takeover", all_of_them, "s", Budget(limit + 5, "absolute"), lasts, note=note),
    ]


async def mesh(setting: Setting) -> Sequence[Row]:
    url = (await setting.stack()).variables["LIFEBUDDY_REDIS_URL"]

    async def run(name: str) -> float:
        return float((await figures(sys.executable, "-m", f"scripts.benchmarks.contenders.{name}", url))["ask"])

    took = await take_turns(setting.rounds, {name: partial(run, name) for name in ("mesh_asks", "bare_mesh")})
    what = "an ask to another node and its answer, 64 at once (CPU of both)"
    against = "redis-py's publish and listen by hand, batched, with futures, the same bytes"
    return [Row("mesh", what, "µs", Budget(2), took["mesh_asks"], took["bare_mesh"], against)]
