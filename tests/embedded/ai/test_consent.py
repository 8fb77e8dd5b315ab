"""Which models a machine gets, and what a person is told before the first byte."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from scripts.embedded.ai.catalogue import catalogue, of_size
from scripts.embedded.ai.consent import available_memory, missing, plan

ROOT = Path(__file__).parents[3]
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024  # as shutil has it


def free_disk(monkeypatch: pytest.MonkeyPatch, octets: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(octets, 0, octets))


@pytest.mark.parametrize(
    ("memory", "disk", "size"),
    [(8e9, 50e9, "full"), (3e9, 50e9, "lite"), (8e9, 1.2e9, "lite"), (1e9, 50e9, None), (8e9, 0.6e9, None)],
)
def test_memory_and_disk_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: float, disk: float, size: str | None
) -> None:
    free_disk(monkeypatch, int(disk))
    assert plan(tmp_path, "auto", free_memory=int(memory)).size == size


def test_what_how_big_which_licence_where_to_and_how_to_decline_are_told(tmp_path: Path) -> None:
    told = plan(tmp_path / "not" / "there", "lite", free_memory=10**10).told
    for word in ("Qwen2.5-Coder 0.5B", "491 MB", "Apache-2.0", str(tmp_path / "not" / "there"), "--no-models"):
        assert word in told
    assert told.startswith("fetching 593 MB to ")


def test_too_small_a_machine_is_told_why(tmp_path: Path) -> None:
    chosen = plan(tmp_path, "full", free_memory=10**9)
    assert chosen.size is None
    assert "full needs 4.3 GB of memory, 1.0 are free; the offline coach answers" in chosen.told


def test_what_is_there_is_not_fetched_again_and_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in of_size("lite"):
        for file in model.files:
            (tmp_path / file.path).parent.mkdir(exist_ok=True)
            with (tmp_path / file.path).open("wb") as sparse:
                sparse.truncate(file.bytes)
    free_disk(monkeypatch, 10**6)
    assert missing(of_size("lite"), tmp_path) == 0
    chosen = plan(tmp_path, "lite", free_memory=10**10)
    assert (chosen.size, chosen.told) == ("lite", "")


def test_with_a_model_for_chat_only_the_rest_is_wanted(tmp_path: Path) -> None:
    told = plan(tmp_path, "auto", has_chat=True, free_memory=10**10).told
    assert "Qwen" not in told
    assert "Whisper" in told
    assert "fetching 171 MB" in told


def test_this_machine_has_memory() -> None:
    assert available_memory() > 10**8


def test_every_model_s_pieces_make_its_file_and_its_licence_is_here() -> None:
    for model in catalogue():
        assert (ROOT / "docs" / "licences" / f"{model.licence}.txt").is_file(), model.licence
        for file in model.files:
            assert sum(piece.bytes for piece in file.pieces) == file.bytes, file.path
            assert all(len(digest) == 64 for digest in (file.sha256, *(piece.sha256 for piece in file.pieces)))
