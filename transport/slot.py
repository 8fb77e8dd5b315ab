"""A process's place behind a port that several share: what its supervisor hands it, and the tie between the two."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

BACKLOG: Final = 1024
MOST: Final = 64
"""Processes behind one port."""


class ArgumentError(Exception):
    """The command line asks for what there is not."""


SUPERVISOR: Final = 0
"""In the place of a slot's number: the process that keeps the others. It tells of itself under that name."""


def slot_name(number: int | str) -> str:
    """No node is called so."""
    return f"slot-{number}"


class Slot(msgspec.Struct, frozen=True):
    """`listener` and `tie` are inherited file descriptors. `room` is a directory only this user may enter, in which
    each process listens under the name of its node, and under its slot's.
    """

    number: int
    node: str
    listener: int
    tie: int
    room: str

    @property
    def own_socket(self) -> Path:
        return Path(self.room, self.node)

    def name_socket(self) -> None:
        """From now on the name of the slot leads to this process."""
        link = self.own_socket.with_suffix(".new")
        link.symlink_to(self.node)
        link.replace(Path(self.room, slot_name(self.number)))

    def leave(self) -> None:
        """The last one out removes the room, whatever became of the supervisor."""
        self.own_socket.unlink(missing_ok=True)
        for name in Path(self.room).glob(slot_name("*")):
            if not _leads_to_somebody(name):
                name.unlink(missing_ok=True)
        with suppress(OSError):  # others are still in it
            Path(self.room).rmdir()


def _leads_to_somebody(name: Path) -> bool:
    """A node removes its own socket; a supervisor that was killed leaves one at which nobody listens."""
    if name.name != slot_name(SUPERVISOR):
        return name.exists()
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(name)) == 0


def read_arguments(words: Sequence[str]) -> tuple[int, Slot | None]:
    """How many nodes are asked for, and the slot of a process that was started as one of them. Raises ArgumentError."""
    match words:
        case []:
            return 1, None
        case ["--nodes", number] if number.isdecimal() and 1 <= int(number) <= MOST:
            return int(number), None
        case ["--nodes", *_]:
            raise ArgumentError(f"--nodes: wants a number from 1 to {MOST}")
        case ["--slot", text]:
            return 1, msgspec.json.decode(text, type=Slot)
        case _:
            raise ArgumentError(f"{words[0]}: there is --nodes N; all settings are variables, see docs/settings.md")


def bound(host: str, port: int, count: int) -> list[socket.socket]:
    """As many listening sockets on one address, over which the kernel spreads connections; but on Linux alone, so
    elsewhere they are one and the same. Raises OSError when somebody else is there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as probe:  # who shares a port is not refused it
        port = probe.getsockname()[1]
    if sys.platform != "linux":
        one = socket.create_server((host, port), family=family, backlog=BACKLOG)
        return [one, *(one.dup() for _ in range(count - 1))]
    return [socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=True) for _ in range(count)]


def tie(slot: Slot, patience: float) -> None:
    """Drain when the supervisor is gone, however it ended; what is not over after `patience` seconds is cut short.

    A thread: it notices even while the loop is stuck.
    """
    threading.Thread(target=_tied, args=(slot.tie, patience), name="slot.tie", daemon=True).start()


def _tied(pipe: int, patience: float) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(patience)
    os._exit(1)
