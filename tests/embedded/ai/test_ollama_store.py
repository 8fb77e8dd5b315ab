"""A file that Ollama keeps on this machine is not fetched: its store as `ollama pull` lays it out."""

import hashlib
import json
from pathlib import Path

import pytest

from scripts.embedded.ai import ollama
from scripts.embedded.ai.fetch import fetch
from tests.embedded.ai.package_index import PIECE, Index, content
from tests.embedded.ai.test_fetch import Told

WHOLE = content(size=PIECE)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = tmp_path / ".ollama" / "models"
    monkeypatch.setenv("OLLAMA_MODELS", str(models))
    monkeypatch.setattr(ollama, "INSTALLED", tmp_path / "nowhere")
    return models


def pull(models: Path, model: bytes, *, mark: str = "-") -> Path:
    """`manifests/REGISTRY/NAMESPACE/MODEL/TAG` lists layers; `blobs/` has each under its digest."""
    layers = {"model": model, "template": b"{{ .Prompt }}", "license": b"Apache-2.0"}
    digests = {kind: hashlib.sha256(layer).hexdigest() for kind, layer in layers.items()}
    (models / "blobs").mkdir(parents=True, exist_ok=True)
    for kind, layer in layers.items():
        (models / "blobs" / f"sha256{mark}{digests[kind]}").write_bytes(layer)
    manifest = models / "manifests" / "hf.co" / "Qwen" / "Tiny-GGUF" / "Q4_K_M"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    listed = [
        {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": f"sha256:{digests[kind]}", "size": len(layer)}
        for kind, layer in layers.items()
    ]
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest.write_text(json.dumps({"schemaVersion": 2, "mediaType": kind, "layers": listed}))
    return models / "blobs" / f"sha256{mark}{digests['model']}"


@pytest.mark.parametrize("mark", ["-", ":"])
async def test_what_ollama_has_pulled_is_copied_and_left_as_it_was(
    index: Index, store: Path, tmp_path: Path, mark: str
) -> None:
    kept = pull(store, WHOLE, mark=mark)
    told = Told()
    path = await fetch(index.carry(WHOLE), tmp_path / "models", told)
    assert path.read_bytes() == WHOLE
    assert told.done == [len(WHOLE)]
    assert index.got == []
    path.write_bytes(b"gone")
    assert kept.read_bytes() == WHOLE


async def test_another_file_of_it_is_none_of_ours(index: Index, store: Path, tmp_path: Path) -> None:
    pull(store, content(8, PIECE))
    path = await fetch(index.carry(WHOLE), tmp_path / "models", Told())
    assert path.read_bytes() == WHOLE
    assert index.got == ["tiny_part0"]


async def test_a_blob_that_is_not_what_its_name_says_is_passed_over(index: Index, store: Path, tmp_path: Path) -> None:
    pull(store, WHOLE).write_bytes(content(8, PIECE))
    path = await fetch(index.carry(WHOLE), tmp_path / "models", Told())
    assert path.read_bytes() == WHOLE
    assert index.got == ["tiny_part0"]


async def test_one_still_being_pulled_is_not_taken(index: Index, store: Path, tmp_path: Path) -> None:
    kept = pull(store, WHOLE)
    kept.rename(kept.with_name(f"{kept.name}-partial"))
    await fetch(index.carry(WHOLE), tmp_path / "models", Told())
    assert index.got == ["tiny_part0"]
