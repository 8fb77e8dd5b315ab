"""`DATA/run.json`: what runs on this data directory and where, for `scripts/doctor` and for a second start."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.keyring import write_private


class AlreadyRunningError(RuntimeError):
    """Another run holds the data directory; the message says where it listens."""


@contextmanager
def sole_run(data: Path) -> Iterator[None]:
    """Of one data directory there is one run at a time; a killed one leaves nothing in the way."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = read_run(data, only_live=False).get("server", "an address it has not told yet")
            raise AlreadyRunningError(
                f"LifeBuddy already runs on {data} at {where}; stop it with Ctrl-C there, "
                "or start another with --data DIR --port N",
            ) from None
        try:
            yield
        finally:
            (data / "run.json").unlink(missing_ok=True)


def write_run(data: Path, run: dict[str, Any]) -> None:
    """For the owner alone: it holds URLs with pass words."""
    (data / "run.json").unlink(missing_ok=True)
    write_private(data / "run.json", json.dumps(run, indent=1))


def read_run(data: Path, *, only_live: bool = True) -> dict[str, Any]:
    """Empty when nothing runs; what a killed run left behind is nothing."""
    try:
        run: dict[str, Any] = json.loads((data / "run.json").read_text())
    except (OSError, ValueError):
        return {}
    return {} if only_live and not _is_held(data / "run.lock") else run


def _is_held(path: Path) -> bool:
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
