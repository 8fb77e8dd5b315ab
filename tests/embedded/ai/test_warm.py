"""What every prompt begins with is read once for each model file, and found again at the next start."""

from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from scripts.embedded.ai.backend import Backend
from scripts.embedded.ai.warm import COACH, Kept, warm
from scripts.embedded.llama import Llama, llama_server
from tests.embedded.tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.timeout(60)
FIRST = {"messages": [{"role": "system", "content": COACH.read_text()}, {"role": "user", "content": "hello"}]}


class Reading(Backend):
    """Counts what it has its server read for the beginnings."""

    def __init__(self, server: Llama, http: aiohttp.ClientSession) -> None:
        told = server.variables
        key = {"Authorization": f"Bearer {told['LIFEBUDDY_OPENAI_API_KEY']}"}
        super().__init__(told["LIFEBUDDY_OPENAI_BASE_URL"], server.model, key, http)
        self.beginnings = 0

    async def read(self, request: dict[str, Any]) -> bytes:
        self.beginnings += 1
        return await super().read(request)

    async def first(self) -> dict[str, int]:
        """How many tokens of a first question there were, and how many of them had been read before."""
        async with self.completion(FIRST | {"model": self.model, "max_tokens": 1, "id_slot": 0}) as answer:
            usage = msgspec.json.decode(await answer.read())["usage"]
        return {"all": usage["prompt_tokens"], "cached": usage["prompt_tokens_details"]["cached_tokens"]}


async def started(model: Path, directory: Path) -> tuple[int, dict[str, int]]:
    async with llama_server(model, directory) as server, aiohttp.ClientSession() as http:
        backend = Reading(server, http)
        await warm(backend, Kept(backend, model, server.slots))
        return backend.beginnings, await backend.first()


async def test_the_second_start_reads_nothing_and_another_file_is_read_anew(tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    write_tiny_gguf(model)
    for beginnings in (2, 0):
        read, first = await started(model, tmp_path / "llama")
        assert read == beginnings
        assert first["all"] - first["cached"] < 60, first
        assert len(list((tmp_path / "llama" / "slots").iterdir())) == 2
    model.unlink()
    write_tiny_gguf(model)
    assert (await started(model, tmp_path / "llama"))[0] == 2
    assert len(list((tmp_path / "llama" / "slots").iterdir())) == 2, "what no start can use is deleted"


async def test_what_cannot_be_taken_up_again_is_read(tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    write_tiny_gguf(model)
    await started(model, tmp_path / "llama")
    for kept in (tmp_path / "llama" / "slots").iterdir():
        kept.write_bytes(kept.read_bytes()[:100])
    read, first = await started(model, tmp_path / "llama")
    assert read == 2
    assert first["all"] - first["cached"] < 60, first
