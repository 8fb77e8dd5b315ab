"""The bounds of everything a socket may hold or take."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, counts and seconds. `command` is one command's frame, `ops` that of many, `frame` what closes with 1009.

    `waiting` and `waiting_bytes` bound what a connection has not taken yet; beyond, it is closed with `overloaded`
    and resumes from the log. `kernel` bounds what its WebSocket has in the kernel before that, which would else take
    megabytes for a device that does not read. `acks` is how many answers may wait before its next command is read.
    """

    frame: int = 1024 * 1024
    command: int = 64 * 1024
    ops: int = 256 * 1024
    waiting: int = 1_024
    waiting_bytes: int = 2 * 1024 * 1024
    kernel: int = 128 * 1024
    acks: int = 64
    held: int = 256
    connections: int = 20_000
    unreadable: int = 10
    unreadable_seconds: float = 60.0
    join: float = 10.0
    ask: float = 10.0
    stalled: float = 10.0
    renew: float = 10.0
    goodbye: float = 1.0
    sweep: float = 1.0
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
