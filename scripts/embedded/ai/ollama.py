"""An Ollama that runs on this machine and has a suitable model goes before a download."""

import asyncio
import json
import os
import urllib.request
from dataclasses import dataclass

SUITABLE = ("qwen3", "qwen2.5", "llama3", "gemma3", "mistral", "phi4", "gpt-oss")
WITHIN = 2.0  # seconds


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
    suitable = (name for family in SUITABLE for name in sorted(names) if name.startswith(family))
    model = next(suitable, None)
    return None if model is None else Running(url, model)


def _host() -> str:
    """Only ever this machine: a person's words go there."""
    port = os.environ.get("OLLAMA_HOST", "").rpartition(":")[2]
    return f"127.0.0.1:{port if port.isdigit() else 11434}"


def _models(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}/models", timeout=WITHIN) as answer:  # noqa: S310  # an address made above
        return [str(model["id"]) for model in json.loads(answer.read())["data"]]
