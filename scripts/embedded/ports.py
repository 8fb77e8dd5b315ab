"""Free loopback ports below 32768, each held by one process on this machine at a time."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOWEST, HIGHEST = 20_000, 32_767  # below the range from which kernels take ports for outgoing connections
TRIES = 200


class PortError(RuntimeError):
    """No port could be had; the message says which was asked for."""


@contextmanager
def held_port(wanted: int | None = None) -> Iterator[int]:
    """Yields a port nobody listens on: the wanted one if it is free, else a random one.

    A file lock holds it until the context ends, or the process does, so two runs started at once never choose the same.
    """
    fixed = [] if wanted is None else [wanted]
    candidates = fixed + random.sample(range(LOWEST, HIGHEST + 1), TRIES)
    for port in candidates:
        lock = _lock(port)
        if lock is None:
            continue
        if is_free(port):
            try:
                yield port
            finally:
                os.close(lock)
            return
        os.close(lock)
    raise PortError(f"no free port on 127.0.0.1 between {LOWEST} and {HIGHEST} in {TRIES} tries")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now; connections of the last one still fading away do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _lock(port: int) -> int | None:
    folder = Path(tempfile.gettempdir()) / f"lifebuddy-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


@contextmanager
def kept_port(directory: Path, wanted: int | None = None) -> Iterator[int]:
    """A held port for a server on that data directory, made if need be: the one asked for, else last time's if free."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    remembered = directory / "port"
    if wanted is None and remembered.exists():
        wanted = int(remembered.read_text())
    with held_port(wanted) as port:
        remembered.write_text(str(port))
        yield port
