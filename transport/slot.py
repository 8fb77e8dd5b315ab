"""A process's place behind a port that several share: what its supervisor hands it, and the tie between the two."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

MOST: Final = 64
"""Processes behind one port."""


class ArgumentError(Exception):
    """The command line asks for what there is not."""


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
            if not name.exists():  # whoever it led to has gone
                name.unlink(missing_ok=True)
        with suppress(OSError):  # others are still in it
            Path(self.room).rmdir()


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
