"""A virtual environment of the benches' own, for baselines that are no part of the program."""

import asyncio
import json
import os
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pykka==4.5.0", "xoscar==0.12.2", "uvloop==0.23.0")


class ProgramFailedError(RuntimeError):
    """A program ended with an error; the message is the last line it said."""


async def output(*argv: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What a program prints, with these variables besides ours. Raises ProgramFailedError."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *map(str, argv), stdout=pipe, stderr=pipe, cwd=ROOT, env={**os.environ, **(environment or {})}
    )
    said, complaint = await process.communicate()
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ProgramFailedError(f"{argv[1]}: {lines[-1]}")
    return said.decode()


async def figures(*argv: str | Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The JSON object a program prints last."""
    said = await output(*argv, environment=environment)
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


async def bench_python(directory: Path) -> Path:
    """The Python of that environment, made on first use. Raises ProgramFailedError when a package cannot be had."""
    python, stamp = directory / "bin" / "python", directory / "packages.json"
    wanted = json.dumps([PACKAGES, sys.version])
    if stamp.exists() and stamp.read_text() == wanted:  # nothing else runs yet
        return python
    venv.create(directory, clear=True, with_pip=True, symlinks=True)
    await output(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
    stamp.write_text(wanted)  # as above
    return python
