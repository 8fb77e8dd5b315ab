"""Secrets made once per data directory, readable by their owner alone, and kept over every restart and update."""

import os
import secrets
from pathlib import Path


def kept_secret(path: Path, octets: int = 32) -> str:
    """The text in the file; made first, with `octets` random bytes in hexadecimal, when there is no file yet."""
    if not path.exists():
        write_private(path, secrets.token_hex(octets))
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Writes a file of mode 0600, whole or not at all; of two writers at once the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # the other writer's secret is as good, and may be in use already
    finally:
        draft.unlink()
