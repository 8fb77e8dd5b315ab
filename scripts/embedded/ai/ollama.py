"""What an Ollama of this machine has goes before a download: a suitable model it serves, or the very file that is wanted."""

import asyncio
import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.embedded.ai.catalogue import File

SUITABLE = ("qwen3", "qwen2.5", "llama3", "gemma3", "mistral", "phi4", "gpt-oss")
UNSUITABLE = ("embed", "-vl", "-math")  # of these families, but for something else than talk
WITHIN = 2.0  # seconds
INSTALLED = Path("/usr/share/ollama/.ollama/models")  # of the service its installer sets up on Linux


@dataclass(frozen=True)
class Running:
    """A server of the OpenAI protocol on loopback, and the model to name."""

    url: str
    model: str


async def running() -> Running | None:
    """None: there is none, or it has nothing suitable."""
    url = f"http://{_host()}/v1"
    try:
        names = await asyncio.wait_for(asyncio.to_thread(_models, url), WITHIN + 1)
    except (OSError, ValueError, KeyError, TypeError, TimeoutError):
        return None
    talking = [name for name in sorted(names) if not any(word in name for word in UNSUITABLE)]
    suitable = (name for family in SUITABLE for name in talking if name.startswith(family))
    model = next(suitable, None)
    return None if model is None else Running(url, model)


def blob(file: File) -> Path | None:
    """Where Ollama keeps exactly this file, whether it runs or not; it names its layers by their SHA-256.

    `ollama pull hf.co/REPOSITORY:TAG` takes files as they are, so that a model of ours may be there.
    """
    for models in _stores():
        for name in (f"sha256-{file.sha256}", f"sha256:{file.sha256}"):  # a colon until version 0.1.33
            kept = models / "blobs" / name
            if os.access(kept, os.R_OK) and kept.stat().st_size == file.bytes:
                return kept
    return None


def _stores() -> Iterator[Path]:
    told = os.environ.get("OLLAMA_MODELS")
    yield Path(told) if told else Path.home() / ".ollama" / "models"
    yield INSTALLED


def _host() -> str:
    """Only ever this machine: a person's words go there."""
    port = os.environ.get("OLLAMA_HOST", "").rstrip("/").rpartition(":")[2]
    return f"127.0.0.1:{port if port.isdigit() else 11434}"


def _models(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}/models", timeout=WITHIN) as answer:  # noqa: S310  # an address made above
        return [str(model["id"]) for model in json.loads(answer.read())["data"]]
