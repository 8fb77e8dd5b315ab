"""People's keys go under a newer wrapping key by one command, which may be cut short and says what it did."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import typer
from typer.testing import CliRunner

from scripts.embedded import doctor
from scripts.embedded.mongo import ReplicaSet
from storage.mongo.connect import Database, connected
from storage.mongo.keys import MongoKeys
from storage.sealing import Sealing

OLD, NEW = bytes(range(32)), bytes(32)
PLACE = {"collection": "goals", "document": "g1", "field": "title"}


@pytest_asyncio.fixture
async def store(mongo: ReplicaSet, database: str) -> AsyncIterator[Database]:
    async with connected(mongo.url, database=database) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path, mongo: ReplicaSet, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where wrapping keys are laid; the doctor is told of it, of the master key and of the database."""
    (tmp_path / "keys").mkdir()
    given = {"MASTER_KEY": OLD.hex(), "WRAPPING_KEYS": f"{tmp_path}/keys", "DATA": str(tmp_path)}
    for name, value in (given | {"MONGO_URL": mongo.url, "MONGO_DATABASE": database}).items():
        monkeypatch.setenv(f"LIFEBUDDY_{name}", value)
    return tmp_path / "keys"


async def rewrap() -> tuple[int, str]:
    """What `scripts/doctor --rewrap` answers and prints; it has a loop of its own."""
    app = typer.Typer()
    app.command()(doctor.main)
    result = await asyncio.to_thread(CliRunner().invoke, app, ["--rewrap"])
    return result.exit_code, result.output


async def sealed(store: Database, keys: dict[int, bytes], *owners: str) -> dict[str, bytes]:
    sealing = Sealing(MongoKeys(store), keys)
    return {owner: (await sealing.box(owner)).seal(owner.encode(), **PLACE) for owner in owners}


async def test_afterwards_the_newest_key_opens_everything_alone(store: Database, folder: Path) -> None:
    texts = await sealed(store, {1: OLD}, *(f"user-{n}" for n in range(20)))
    (folder / "2.key").write_text(NEW.hex())
    code, said = await rewrap()
    assert (code, "all keys are wrapped under 2.key, 20 of them since now" in said) == (0, True)
    only = Sealing(MongoKeys(store), {2: NEW})
    for owner in ("user-0", "user-19"):
        assert (await only.box(owner)).unseal(texts[owner], **PLACE) == owner.encode()
    assert await store["keys"].count_documents({"kek": {"$ne": 2}}) == 0
    assert "0 of them since now" in (await rewrap())[1]


async def test_a_key_nobody_laid_there_is_named_and_the_rest_stays_as_it_was(store: Database, folder: Path) -> None:
    texts = await sealed(store, {1: OLD}, "ann") | await sealed(store, {7: os.urandom(32)}, "bo")
    (folder / "8.key").write_text(NEW.hex())
    code, said = await rewrap()
    assert (code, "no key-encryption key of version 7" in said) == (1, True)
    both = Sealing(MongoKeys(store), {1: OLD, 8: NEW})
    assert (await both.box("ann")).unseal(texts["ann"], **PLACE) == b"ann"


async def test_without_a_newer_key_nothing_is_done(store: Database, folder: Path) -> None:
    await sealed(store, {1: OLD}, "ann")
    code, said = await rewrap()
    assert (code, "lay one as 2.key" in said) == (1, True)
    assert [key["kek"] async for key in store["keys"].find()] == [1]
    assert list(folder.iterdir()) == []
