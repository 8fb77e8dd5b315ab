"""How things are measured: CPU time of a process from outside, and contenders that take turns."""

import os
import statistics
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

Contender = Callable[[], Awaitable[float]]


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used so far, all its threads; to the nanosecond where the kernel counts so finely."""
    try:
        spent = [(task / "schedstat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int(line.split()[0]) for line in spent) / 1e9
    except FileNotFoundError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


async def take_turns(rounds: int, contenders: Mapping[str, Contender]) -> dict[str, list[float]]:
    """Each contender once a round, the order reversed every other round, so that none has the better minutes."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders) if number % 2 == 0 else list(contenders)[::-1]
        for name in names:
            measured[name].append(await contenders[name]())
    return measured


def median(values: list[float]) -> float:
    return statistics.median(values)
