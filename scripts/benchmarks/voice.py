"""Rows `voice`: how soon an answer is heard, how soon an interruption silences, how soon a lost caller hears again."""

import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from scripts.benchmarks.callers import percentile
from scripts.benchmarks.contenders.script import FIRST_SOUND, FIRST_TOKEN, WAITS
from scripts.benchmarks.people import register
from scripts.benchmarks.programs import Load, echo, load, node
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting

MODELS: Final = WAITS + FIRST_TOKEN + FIRST_SOUND
"""Seconds that are not ours: the wait for more words, in which they are transcribed, and the models."""
CALLERS: Final = 3
CROWD: Final = 18
CLIENTS: Final = "scripts.benchmarks.callers"
FIRST: Final = "from the last word to the first sound, less the models and the wait for more words"
AGAINST: Final = "aiortc as shipped, which waits and sleeps as long and does nothing else"
NOTE: Final = "models of fixed times behind a real server; measured by a WebRTC client, packets off the wire"


async def voice(setting: Setting) -> Sequence[Row]:
    turns = 3 if setting.rounds < 5 else 8
    async with (
        _ours(setting) as (url, tokens),
        load(CLIENTS) as callers,
        alone(setting.directory, "stock_coach") as stock,
    ):
        await _took(callers, "talk", url, tokens[:1], 1)  # a first call pays for what all others share
        answered, silenced = [], []
        for doors in (url, stock):
            answered.append([took - 1e3 * MODELS for took in await _took(callers, "talk", doors, tokens, turns)])
            silenced.append(await _took(callers, "interrupt", doors, tokens, turns))
        again = await _took(callers, "vanish", url, tokens[:2], turns)
    if min(answered[0]) < 0:
        raise ConnectionError("what was heard came before the models can have answered: it was no answer")
    both = [[percentile(side, 0.95)] for side in answered]
    stopped = [[percentile(side, 0.95)] for side in silenced]
    return [
        Row("voice", f"{FIRST}, p50", "ms", Budget(60, "absolute"), answered[0], answered[1], AGAINST, NOTE),
        Row("voice", f"{FIRST}, p95", "ms", Budget(120, "absolute"), both[0], both[1], AGAINST),
        Row("voice", "an interruption silences, p95", "ms", Budget(200, "absolute"), stopped[0], stopped[1], AGAINST),
        Row(
            "voice", "a caller who vanished hears again, p95", "ms", Budget(2000, "absolute"), [percentile(again, 0.95)]
        ),
        await _crowded(setting),
    ]


async def _crowded(setting: Setting) -> Row:
    """As many calls as a core shall hold, in one process; those of the baseline in another one after it."""
    late: dict[str, list[float]] = {}
    for name in ("our_calls", "stock_coach"):
        async with alone(setting.directory, name) as url, load(CLIENTS) as callers:
            told = await callers.order("talk", url=url, tokens=["anybody"] * CROWD, turns=2)
            late[name] = [1e3 * told["late"]]
    what = f"how late packets of {CROWD} calls in one process come, p99"
    note = "each process answers alone, without log and models"
    return Row("voice", what, "ms", Budget(20, "absolute"), late["our_calls"], late["stock_coach"], AGAINST, note)


@asynccontextmanager
async def alone(directory: Path, contender: str) -> AsyncIterator[str]:
    """A contender without a house around it: its address."""
    argv = (sys.executable, "-m", f"scripts.benchmarks.contenders.{contender}", directory / "models")
    async with echo(directory / f"{contender}.log", *argv) as (_, url):
        yield url


@asynccontextmanager
async def _ours(setting: Setting) -> AsyncIterator[tuple[str, list[str]]]:
    """Our node with scripted models behind it: its address, and the tokens of its callers."""
    async with AsyncExitStack() as opened:
        models = await opened.enter_async_context(providers(setting.directory / "providers.log"))
        variables = {**await setting.node_variables("voice"), **asked_at(models)}
        _, url = await opened.enter_async_context(node(setting.directory / "voice.log", variables))
        yield url, await register(url, CALLERS)


@asynccontextmanager
async def providers(log: Path) -> AsyncIterator[str]:
    """Scripted models of fixed times: where they are asked."""
    async with echo(log, sys.executable, "-m", "scripts.benchmarks.contenders.providers") as (_, url):
        yield f"{url}/v1"


def asked_at(url: str) -> Mapping[str, str]:
    speech = {f"LIFEBUDDY_{who}_{what}": value for who in ("TRANSCRIBER", "SPEAKER")
              for what, value in (("BASE_URL", url), ("API_KEY", "bench"))}  # fmt: skip
    return {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "bench", "LIFEBUDDY_LIMITS_SCALE": "1000000", **speech}


async def _took(callers: Load, do: str, url: str, tokens: Sequence[str], turns: int) -> list[float]:
    """Milliseconds, the least first. Raises ConnectionError when a call failed."""
    told = await callers.order(do, url=url, tokens=tokens, turns=turns)
    return [1e3 * took for took in told["took"]]
