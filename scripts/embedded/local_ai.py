"""The local AI beside the server: what it is told, how it comes up after everything else, and what a terminal sees of it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from config.keyring import kept_secret
from scripts.embedded.child import Child, StartError, asked
from scripts.embedded.ports import kept_port

ROOT = Path(__file__).parents[2]
BOOTSTRAP = ROOT / "scripts" / "bootstrap.py"
MODEL = "local demo model"  # as its answers say; apps show it as `answered_by`
READY_WITHIN = 30.0  # seconds until the process answers; its models come later
LOOK = 1.0  # seconds between two looks at how far it is
TRY_AGAIN_AFTER = 300.0  # seconds


class LocalAI(Child):
    """`start_again()` is for after ready: until then only its address is taken."""

    def __init__(self, directory: Path, port: int, told: dict[str, str]) -> None:
        self.port = port
        self.directory = directory
        self._key = kept_secret(directory / "key")
        own = {"AI_PORT": str(port), "AI_KEY": self._key, "AI_DIRECTORY": str(directory), "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-m", "scripts.embedded.ai"]
        super().__init__("local AI", argv, directory / "ai.log", os.environ | own | told)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What the server needs to reach it like any provider; a cold prompt takes up to half a minute on two cores."""
        return {
            "LIFEBUDDY_OPENAI_API_KEY": self._key,
            "LIFEBUDDY_OPENAI_BASE_URL": f"{self.url}/v1",
            "LIFEBUDDY_OPENAI_MODEL": MODEL,
            "LIFEBUDDY_MODELS_STATUS_URL": f"{self.url}/healthz",
            "LIFEBUDDY_MODEL_FIRST_TOKEN_SECONDS": "90",
            "LIFEBUDDY_MODEL_WHOLE_SECONDS": "300",
            "LIFEBUDDY_MODEL_READS_AHEAD": "true",
        } | self._of_calls

    @property
    def _of_calls(self) -> dict[str, str]:
        """What it hears and speaks with; on two cores each takes longer than a provider."""
        return {
            "LIFEBUDDY_TRANSCRIBER_API_KEY": self._key,
            "LIFEBUDDY_TRANSCRIBER_BASE_URL": f"{self.url}/v1",
            "LIFEBUDDY_TRANSCRIBER_MODEL": MODEL,
            "LIFEBUDDY_TRANSCRIBER_INTERIM_MODEL": f"{MODEL} (interim)",
            "LIFEBUDDY_TRANSCRIBER_SECONDS": "11",
            "LIFEBUDDY_CAPTION_SECONDS": "0.45",
            "LIFEBUDDY_CALLS_PER_NODE": "2",
            "LIFEBUDDY_SPEAKER_API_KEY": self._key,
            "LIFEBUDDY_SPEAKER_BASE_URL": f"{self.url}/v1",
            "LIFEBUDDY_SPEAKER_MODEL": MODEL,
            "LIFEBUDDY_SPEAKER_FIRST_SOUND_SECONDS": "7",
        }

    async def start_again(self) -> None:
        self.start()
        await self.until(self._answers, READY_WITHIN)

    async def _answers(self) -> bool:
        return bool(await self.parts())

    async def parts(self) -> dict[str, dict[str, Any]]:
        """How far each part is; empty while it does not answer."""
        said = await asked(self.port, b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", b"}}}")
        try:
            parts: dict[str, dict[str, Any]] = json.loads(said.partition(b"\r\n\r\n")[2])["parts"]
        except (ValueError, KeyError):
            return {}
        return parts


@asynccontextmanager
async def local_ai(directory: Path, told: dict[str, str]) -> AsyncIterator[LocalAI]:
    """Not started yet; its port and key are kept in the directory."""
    with kept_port(directory) as port:
        child = LocalAI(directory, port, told)
        try:
            yield child
        finally:
            await child.stop()


async def come_up(child: LocalAI, console: Console, told: str) -> None:
    """Installs what it needs, starts it, and shows how its models come until each is ready or has failed."""
    if told:
        console.print(f"models: {told}")
    while not await _installed(child.directory):
        console.print(
            "[yellow]models: their packages could not be installed (is a package index reachable?); "
            f"the offline coach answers; see {child.directory / 'install.log'}[/]"
        )
        await asyncio.sleep(TRY_AGAIN_AFTER)
    try:
        await child.start_again()
    except StartError as problem:
        console.print(f"[red]{problem}[/]")
    else:
        await _shown(child, console)


async def _installed(directory: Path) -> bool:
    """The lock `local`, beside what is there; takes no time when it is installed."""
    argv = [sys.executable, "-I", str(BOOTSTRAP), "local"]
    installing = Child("install", argv, directory / "install.log")
    installing.start()
    try:
        while installing.alive:  # noqa: ASYNC110  # no event tells of another process
            await asyncio.sleep(0.1)
    finally:
        installing.kill()
    return installing.exit_code == 0


async def _shown(child: LocalAI, console: Console) -> None:
    columns = (TextColumn("models: {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        screen = Screen(bars, console.print, by_lines=not console.is_terminal)
        while child.alive and not screen.settled:
            screen.show(await child.parts())
            await asyncio.sleep(LOOK)


class Screen:
    """A bar per part that is coming, or a line every tenth of the way; one line for whatever else happens.

    What ails several parts for one cause is told once.
    """

    def __init__(self, bars: Progress, say: Callable[[str], None], *, by_lines: bool) -> None:
        self._bars = bars
        self._by_lines = by_lines
        self._say = say
        self._tasks: dict[str, TaskID] = {}
        self._told: set[str] = set()
        self.settled = False

    def show(self, parts: dict[str, dict[str, Any]]) -> None:
        for name, part in parts.items():
            self._show_bar(name, part)
            self._tell_once(part["problem"], _trouble(name, part))
            self._tell_once(line := _line(name, part, by_lines=self._by_lines), line)
        self.settled = bool(parts) and all(part["state"] == "ready" for part in parts.values())

    def _tell_once(self, what: str, words: str) -> None:
        if what and what not in self._told:
            self._told.add(what)
            self._say(words)

    def _show_bar(self, name: str, part: dict[str, Any]) -> None:
        moving = part["state"] in {"fetching", "checking", "loading"}
        if moving and name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=part["total"])
        if name in self._tasks:
            words = f"{part['model']}: {part['state']}"
            self._bars.update(self._tasks[name], completed=part["done"], description=words, visible=moving)


def _line(name: str, part: dict[str, Any], *, by_lines: bool) -> str:
    if part["state"] == "ready":
        return f"models: {name} ready, {part['model']}"
    if part["state"] == "fetching" and by_lines:
        return f"models: {name} {10 * (10 * part['done'] // part['total'])} % of {part['total'] / 1e6:.0f} MB"
    return ""


def _trouble(name: str, part: dict[str, Any]) -> str:
    coach = "; meanwhile the offline coach answers" if name == "chat" and part["state"] == "failed" else ""
    return f"[yellow]models: {part['problem']}{coach}[/]"
