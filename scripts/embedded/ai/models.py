"""The local models while they come: fetched one after the other, each part's state told, each file handed on once there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from scripts.embedded.ai import ollama
from scripts.embedded.ai.catalogue import File, Model
from scripts.embedded.ai.fetch import fetch
from scripts.embedded.ai.ollama import Running
from scripts.embedded.ai.sources import FetchError

TRY_AGAIN_AFTER = 300.0  # seconds; a laptop finds its network later

State = Literal["waiting", "fetching", "checking", "loading", "ready", "failed", "declined"]


class Part(msgspec.Struct):
    """`done` of `total` are bytes; `problem` is a sentence for people: why it failed, or what went wrong on the way."""

    state: State = "waiting"
    done: int = 0
    total: int = 0
    problem: str = ""
    model: str = ""


class Models:
    """`status()` says how far each part is; `file(part)` and `chat()` wait until there is something to serve.

    Whoever serves a part then tells `loading(part)`, `ready(part)` or `failed(part, why)`.
    """

    def __init__(self, wanted: tuple[Model, ...], directory: Path, llm_file: Path | None = None) -> None:
        self.parts = {model.part: Part(total=model.bytes, model=model.name) for model in wanted}
        self._wanted = wanted
        self._directory = directory
        self._llm_file = llm_file
        loop = asyncio.get_running_loop()
        self._sources: dict[str, asyncio.Future[Path | Running]] = {
            model.part: loop.create_future() for model in wanted
        }

    def status(self) -> dict[str, Part]:
        return self.parts

    async def chat(self) -> Path | Running:
        """A GGUF file to serve, or a server that has a model already."""
        return await asyncio.shield(self._sources["chat"])

    async def file(self, part: str) -> Path:
        """The part's first file; its others lie beside it. Waits for as long as it takes, also when it has failed so far."""
        source = await asyncio.shield(self._sources[part])
        if isinstance(source, Running):
            raise TypeError(f"{part} is served elsewhere")
        return source

    def loading(self, part: str) -> None:
        self._enter(part, "loading")

    def ready(self, part: str) -> None:
        self._enter(part, "ready")

    def failed(self, part: str, problem: str) -> None:
        self._enter(part, "failed", problem)

    def _enter(self, part: str, state: State, problem: str = "") -> None:
        self.parts[part].state, self.parts[part].problem = state, problem

    async def run(self) -> None:
        """Until all is there; what failed is tried again later, and goes on where it was."""
        left = await self._look_for(self._wanted)
        while left:
            await asyncio.sleep(TRY_AGAIN_AFTER)
            left = await self._look_for(left)

    async def _look_for(self, wanted: Sequence[Model]) -> Sequence[Model]:
        """What was not found."""
        return [model for model in wanted if not await self._found(model)]

    async def _found(self, model: Model) -> bool:
        try:
            source = await self._source(model)
        except FetchError as problem:
            self.failed(model.part, str(problem))
            return False
        self.loading(model.part)
        self._sources[model.part].set_result(source)
        return True

    async def _source(self, model: Model) -> Path | Running:
        part = self.parts[model.part]
        if model.part == "chat" and self._llm_file is not None:
            return self._own_file(part, self._llm_file)
        if model.part == "chat" and (running := await ollama.running()) is not None:
            part.model, part.done = f"{running.model} of Ollama", part.total
            return running
        return await self._fetched(model, part)

    @staticmethod
    def _own_file(part: Part, file: Path) -> Path:
        if not file.is_file():
            raise FetchError(f"LIFEBUDDY_LLM_FILE: there is no file {file}")
        part.model = file.stem
        part.done = part.total = file.stat().st_size
        return file

    async def _fetched(self, model: Model, part: Part) -> Path:
        part.problem = ""
        before = 0
        paths = []
        for file in model.files:
            paths.append(await fetch(file, self._directory, _Watching(part, before)))
            before += file.bytes
        part.done = part.total
        return paths[0]


class _Watching:
    """Tells of one file of a part; `before` are the bytes of the files before it."""

    def __init__(self, part: Part, before: int) -> None:
        self._part = part
        self._before = before

    def progress(self, done: int) -> None:
        self._part.state = "fetching"
        self._part.done = self._before + done

    def checking(self) -> None:
        self._part.state = "checking"

    def refused(self, file: File) -> None:
        megabytes = f"{file.bytes / 1e6:.0f} MB"
        self._part.problem = f"{file.path} was not the file it should be: deleted, {megabytes} are fetched anew"


@asynccontextmanager
async def models(wanted: tuple[Model, ...], directory: Path, llm_file: Path | None = None) -> AsyncIterator[Models]:
    """Fetching in the background until the context ends."""
    async with asyncio.TaskGroup() as group:
        coming = Models(wanted, directory, llm_file)
        fetching = group.create_task(coming.run(), name="models-fetch")
        yield coming
        fetching.cancel()
