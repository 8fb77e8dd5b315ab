"""Before the first byte: which models fit this machine, and what a person is told of them."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.embedded.ai.catalogue import Model, Size, of_size
from scripts.embedded.ai.sources import RESERVE

SPARE = 1_500_000_000  # bytes of memory for all that runs beside the models
DECLINE = "--no-models or LIFEBUDDY_MODELS=none declines"


@dataclass(frozen=True)
class Plan:
    """`size` None: no models, for the reason in `told`."""

    size: Size | None
    told: str


def plan(directory: Path, wanted: str, *, has_chat: bool = False, free_memory: int | None = None) -> Plan:
    """`wanted` is auto, full or lite; auto takes the largest that fits memory and disk.

    With `has_chat` a model for chat is there already, and only what stands beside it is wanted.
    """
    memory = available_memory() if free_memory is None else free_memory
    disk = shutil.disk_usage(next(path for path in (directory, *directory.parents) if path.exists())).free
    sizes: Sequence[Size] = ("full", "lite") if wanted == "auto" else ("full",) if wanted == "full" else ("lite",)
    reasons = []
    for size in sizes:
        models = tuple(model for model in of_size(size) if not (has_chat and model.part == "chat"))
        reason = _unfit(models, directory, memory, disk)
        if not reason:
            return Plan(size, _words(models, directory))
        reasons.append(f"{size} {reason}")
    return Plan(None, f"no local model: {'; '.join(reasons)}; the offline coach answers")


def missing(models: Sequence[Model], directory: Path) -> int:
    """Bytes that have to be fetched; what is there is told by its size alone, its hash comes later."""
    return sum(file.bytes - _there(directory / file.path, file.bytes) for model in models for file in model.files)


def available_memory() -> int:
    """Bytes a program could still take."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux: all of the memory is a fair guess
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _there(path: Path, wanted: int) -> int:
    if path.exists() and path.stat().st_size == wanted:
        return wanted
    draft = path.with_name(path.name + ".partial")
    return min(wanted, draft.stat().st_size) if draft.exists() else 0


def _unfit(models: Sequence[Model], directory: Path, memory: int, disk: int) -> str:
    need = sum(model.memory for model in models) + SPARE
    if memory < need:
        return f"needs {need / 1e9:.1f} GB of memory, {memory / 1e9:.1f} are free"
    room = missing(models, directory)
    if room and disk < room + RESERVE:
        return f"needs {(room + RESERVE) / 1e9:.1f} GB of disk, {disk / 1e9:.1f} are free"
    return ""


def _words(models: Sequence[Model], directory: Path) -> str:
    left = missing(models, directory)
    if not left:
        return ""
    names = ", ".join(f"{model.name} ({model.licence}, {model.bytes / 1e6:.0f} MB)" for model in models)
    return f"fetching {left / 1e6:.0f} MB to {directory}: {names}; {DECLINE}"
