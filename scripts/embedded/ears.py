"""The detectors of calls come, with local models or without: `python -m scripts.embedded.ears DIRECTORY` fetches them too."""

import asyncio
import sys
from pathlib import Path

from rich.console import Console

from scripts.embedded.ai.catalogue import File, detectors
from scripts.embedded.ai.consent import missing
from scripts.embedded.ai.fetch import fetch
from scripts.embedded.ai.sources import FetchError

TRY_AGAIN_AFTER = 300.0  # seconds


class _Silent:
    """Nobody waits for eleven megabytes."""

    def progress(self, done: int) -> None: ...

    def checking(self) -> None: ...

    def refused(self, file: File) -> None:
        print(f"{file.path} was not the file it should be: deleted, fetched anew", flush=True)


async def fetch_detectors(directory: Path) -> None:
    """Raises FetchError. What is there already is looked at by its hash."""
    for model in detectors():
        for file in model.files:
            await fetch(file, directory, _Silent())


async def come(directory: Path, console: Console) -> None:
    """Until they are there; the server finds them when the next call begins."""
    if not missing(detectors(), directory):
        return
    names = ", ".join(f"{model.name} ({model.licence}, {model.bytes / 1e6:.0f} MB)" for model in detectors())
    console.print(f"calls: fetching {names} to {directory}")
    while True:
        try:
            await fetch_detectors(directory)
        except FetchError as problem:
            console.print(f"[yellow]calls: {problem}; until they are there, loudness tells speech[/]")
            await asyncio.sleep(TRY_AGAIN_AFTER)
        else:
            console.print("calls: the detectors of speech and of the end of a turn are there")
            return


if __name__ == "__main__":
    try:
        asyncio.run(fetch_detectors(Path(sys.argv[1])))
    except FetchError as problem:
        sys.exit(str(problem))
