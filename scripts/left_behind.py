"""Prints the processes that carry a mark in their environment, this one and its parents left out (Linux only)."""

import os
import sys
from pathlib import Path


def marked(mark: str) -> list[str]:
    """One line, pid and command, for each process started with `mark` among its variables and still running."""
    own = _ancestors()
    lines = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) not in own and mark.encode() in _read(folder / "environ").split(b"\0"):
            command = _read(folder / "cmdline").replace(b"\0", b" ").decode(errors="replace")
            lines.append(f"{folder.name} {command[:200]}")
    return lines


def _ancestors() -> set[int]:
    pids, pid = set(), os.getpid()
    while pid:
        pids.add(pid)
        stat = _read(Path(f"/proc/{pid}/stat"))
        pid = int(stat.rpartition(b")")[2].split()[1]) if stat else 0
    return pids


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile, or is another user's
        return b""


if __name__ == "__main__":
    for line in marked(sys.argv[1]):
        print(line)
