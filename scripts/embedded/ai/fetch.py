"""Gets one model file into its place: from the first source that has it, resumed where it was, and only if it is the one."""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from scripts.embedded.ai.catalogue import File
from scripts.embedded.ai.sources import SOURCES, FetchError, NotReachedError, hub_folder

TURN = 0.5  # seconds between two looks whether another run has finished the same file


class Watcher(Protocol):
    """Whoever wants to know how far a file is."""

    def progress(self, done: int) -> None:
        """So many bytes are there."""

    def checking(self) -> None:
        """Its hash is made."""

    def refused(self, file: File) -> None:
        """What lay in its place was not the file: it is deleted, and fetched anew."""


async def fetch(file: File, directory: Path, watcher: Watcher) -> Path:
    """The file's path once it is there and its hash is right. Raises FetchError with a sentence for people.

    What was fetched in part stays as `PATH.partial`, and the next fetch goes on with it.
    """
    path = directory / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    async with _turn(path):
        watcher.checking()
        if await is_whole(file, path):
            return path
        if path.exists():
            path.unlink()
            watcher.refused(file)
        draft = path.with_name(path.name + ".partial")
        await _from_any_source(file, draft, watcher.progress)
        watcher.checking()
        if not await is_whole(file, draft):
            draft.unlink(missing_ok=True)
            raise FetchError(f"{file.path} is not the file it should be (another SHA-256): refused and deleted")
        draft.rename(path)
        shutil.rmtree(hub_folder(draft), ignore_errors=True)
    return path


async def is_whole(file: File, path: Path) -> bool:
    """Whether it is there, of the right size and hash; a gigabyte takes a second or two."""
    return await asyncio.to_thread(_is_whole, file, path)


def _is_whole(file: File, path: Path) -> bool:
    try:
        with path.open("rb") as opened:
            if os.fstat(opened.fileno()).st_size != file.bytes:
                return False
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


async def _from_any_source(file: File, draft: Path, progress: Callable[[int], None]) -> None:
    for source in SOURCES:
        try:
            await source(file, draft, progress)
        except NotReachedError as why:
            print(f"{file.path}: {why}", flush=True)
        except OSError as full:
            raise _no_room(file, draft, full) from full
        else:
            return
    raise FetchError("no source of model files could be reached")


def _no_room(file: File, draft: Path, full: OSError) -> FetchError:
    """The databases on this disk need room more than a model does."""
    draft.unlink(missing_ok=True)
    return FetchError(f"{file.path} could not be written ({full.strerror}); what was there of it is deleted")


@asynccontextmanager
async def _turn(path: Path) -> AsyncIterator[None]:
    """One run at a time fetches a file; several may share a directory of models."""
    with path.with_name(path.name + ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(TURN)
            else:
                break
        yield
