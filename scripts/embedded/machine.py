"""One machine from start to drained end: embedded parts, the server as a child, the table, and all stopped in order."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib import import_module
from typing import Any

from rich.console import Console

from config.keys import master_key_file, read_master_key, read_signing_keys
from config.settings import Settings, variable
from scripts.embedded.child import Child, StartError
from scripts.embedded.local_ai import LocalAI
from scripts.embedded.mongod import Mongod
from scripts.embedded.ports import PortError, is_free
from scripts.embedded.run_file import sole_run, write_run
from scripts.embedded.seaweed import SeaweedFS
from scripts.embedded.server_child import Server, preloaded_server
from scripts.embedded.stack import Part, Stack, embedded_stack
from scripts.embedded.valkey import Valkey
from scripts.embedded.worker_child import worker_beside

OVERSTAY = 5.0  # seconds after the drain limit until the server is killed
WATCH_EVERY, TRY_AGAIN_AFTER = 0.5, 5.0  # seconds


async def run_machine(settings: Settings, arguments: Sequence[str], *, models: bool = True) -> int:
    """Ends when the server does, with its exit code, or when cancelled, after draining."""
    console = Console(highlight=False, soft_wrap=True)
    settings = settings.model_copy(update={"data": settings.data.resolve()})
    began = time.monotonic()
    async with AsyncExitStack() as opened:
        opened.enter_context(sole_run(settings.data))
        _check_port(settings)
        read_master_key(settings)
        read_signing_keys(settings)
        server = await opened.enter_async_context(preloaded_server(arguments))
        tabling = opened.enter_context(_imported("scripts.embedded.table"))
        stack = await opened.enter_async_context(embedded_stack(settings, console.print, models=models))
        opened.callback(console.print, "stopping Valkey and MongoDB …")
        await opened.enter_async_context(_kept_up(stack, console))
        await opened.enter_async_context(_drained(server, settings, console))
        url = await server.until_ready(_told(settings, stack))
        write_run(settings.data, _run(stack, url, server.child))
        await (await tabling).print_table(console, stack)
        console.print(_closing_words(settings, time.monotonic() - began))
        print(f"ready {url}", flush=True)
        beside = worker_beside(_told(settings, stack), settings.data / "worker.log", console)
        await opened.enter_async_context(beside)
        await opened.enter_async_context(_coming_up(stack, console))
        return await server.follow()


@contextmanager
def _imported(name: str) -> Iterator[asyncio.Future[Any]]:
    """A module, imported while others are waited for: half a second less until ready."""
    importing = asyncio.create_task(asyncio.to_thread(import_module, name), name=f"import-{name}")
    try:
        yield importing
    finally:
        importing.cancel()


def _check_port(settings: Settings) -> None:
    if settings.port and not is_free(settings.port, settings.host):
        free = next(port for port in range(settings.port + 1, 65_536) if is_free(port, settings.host))
        raise PortError(f"port {settings.port} is taken; start with: scripts/run --port {free}")


def _told(settings: Settings, stack: Stack) -> dict[str, str]:
    own = {
        variable("host"): settings.host,
        variable("port"): str(settings.port),
        variable("data"): str(settings.data),
    }
    return stack.variables | own


@asynccontextmanager
async def _drained(server: Server, settings: Settings, console: Console) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if server.child.alive:
            console.print("draining the server (again Ctrl-C: kill it) …")
            gentle = await server.drain(settings.drain_seconds + OVERSTAY)
            console.print("drained" if gentle else "[red]the server overstayed and was killed[/]")


@asynccontextmanager
async def _kept_up(stack: Stack, console: Console) -> AsyncIterator[None]:
    """An embedded part that dies is started again on its data and port, as a service manager would; none waits for another."""
    async with asyncio.TaskGroup() as group:
        watched = [part for part in stack.parts if part.child is not None]
        watches = [group.create_task(_keep_up(part, console), name=f"{part.name}-watch") for part in watched]
        yield
        for watch in watches:
            watch.cancel()


@asynccontextmanager
async def _coming_up(stack: Stack, console: Console) -> AsyncIterator[None]:
    """What comes up after ready does so beside the server, and ends before its own child does."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_come_up(name, stack, console), name=name) for name in stack.later]
        yield
        for task in tasks:
            task.cancel()


async def _come_up(name: str, stack: Stack, console: Console) -> None:
    try:
        await stack.later[name](console)
    except Exception as bug:  # noqa: BLE001 - the server is worth more than what was to stand beside it
        console.print(f"[red]{name} did not come up ({type(bug).__name__}: {bug})[/]")


async def _keep_up(part: Part, console: Console) -> None:
    while True:
        await asyncio.sleep(WATCH_EVERY)
        if part.child is not None and part.child.exit_code is not None:  # None: it runs, or was not started yet
            console.print(f"[yellow]{part.name} ended with {part.child.exit_code}; starting it again[/]")
            await _start_again(part.child, console)


async def _start_again(child: Mongod | Valkey | SeaweedFS | LocalAI, console: Console) -> None:
    try:
        await child.start_again()
    except StartError as problem:
        console.print(f"[red]{problem}; trying again in {TRY_AGAIN_AFTER:.0f} s[/]")
        await asyncio.sleep(TRY_AGAIN_AFTER)


def _run(stack: Stack, url: str, server: Child) -> dict[str, object]:
    pids = {part.name: part.child.pid for part in stack.parts if part.child is not None and part.child.alive}
    return {"server": url, "pids": {"server": server.pid, "owner": os.getpid()} | pids, "variables": stack.variables}


def _closing_words(settings: Settings, seconds: float) -> str:
    path = master_key_file(settings)
    return f"ready after {seconds:.1f} s. Keep a copy of {path}: without it nothing private can be read. Ctrl-C drains."
