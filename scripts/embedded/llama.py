"""A local model behind the OpenAI protocol: llama.cpp's server on a GGUF file, on loopback, with a key."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from config.keyring import kept_secret
from scripts.embedded.child import Child, asked
from scripts.embedded.ports import kept_port

PROGRAM = Path(__file__).with_name("llama_server.py")
READY_WITHIN = 120.0  # seconds; a file of some gigabytes is mapped and warmed


class Llama(Child):
    def __init__(self, file: Path, directory: Path, port: int, name: str) -> None:
        self.file = file
        self.port = port
        self.model = name
        self.slots = directory / "slots"
        self._key = kept_secret(directory / "key")
        told = {
            "LLAMA_SLOTS": f"{self.slots}/",
            # Threads wait for each other thousands of times a token: sleeping at once costs a third of the speed, and who
            # spins for long starves everything else on a small machine.
            "GOMP_SPINCOUNT": "1000",
            "LLAMA_FILE": str(file.resolve()),
            "LLAMA_NAME": self.model,
            "LLAMA_PORT": str(port),
            "LLAMA_KEY": self._key,
        }
        super().__init__("llama", [sys.executable, str(PROGRAM)], directory / "llama.log", os.environ | told)

    @property
    def variables(self) -> dict[str, str]:
        """What the server needs to reach it like any provider; a cold prompt takes up to half a minute on two cores."""
        return {
            "LIFEBUDDY_OPENAI_API_KEY": self._key,
            "LIFEBUDDY_OPENAI_BASE_URL": f"http://127.0.0.1:{self.port}/v1",
            "LIFEBUDDY_OPENAI_MODEL": self.model,
            "LIFEBUDDY_MODEL_FIRST_TOKEN_SECONDS": "90",
            "LIFEBUDDY_MODEL_WHOLE_SECONDS": "300",
        }

    async def start_again(self) -> None:
        self.slots.mkdir(parents=True, exist_ok=True)
        self.start()
        await self.until(self.answers, READY_WITHIN)

    async def answers(self) -> bool:
        """Whether the model is loaded; until then it answers 503."""
        return b" 200 " in await asked(self.port, b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", b"\n")


def is_installed() -> bool:
    return find_spec("xllamacpp") is not None


@asynccontextmanager
async def llama_server(file: Path, directory: Path, name: str = "") -> AsyncIterator[Llama]:
    """A loaded model on that file, called so or as the file is; its port and key are kept in the directory."""
    with kept_port(directory) as port:
        server = Llama(file, directory, port, name or file.stem)
        try:
            await server.start_again()
            yield server
        finally:
            await server.stop()
