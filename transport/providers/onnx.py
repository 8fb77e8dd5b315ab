"""A model in an ONNX file: loaded when it is first asked, run in one thread of its own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import structlog

T = TypeVar("T")
Run = Callable[[dict[str, Any]], list[Any]]
"""Arrays by the names of the model's inputs; its outputs in their order."""
OFF: Final = "0"

log = structlog.get_logger(__name__)


class OnnxModel:
    """The file may come later. One that is no model is left alone from then on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._run: Run | None = None
        self._broken = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=file.stem)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    @property
    def is_there(self) -> bool:
        return self._run is not None or (not self._broken and self._file.is_file())

    async def warm(self) -> None:
        """Load it, if it is there."""
        if self.is_there:
            await self.ask(lambda _: None)

    def ask(self, job: Callable[[Run], T]) -> asyncio.Future[T]:
        """What the job makes of the model, in the model's thread; one job after the other."""
        return asyncio.get_running_loop().run_in_executor(self._thread, lambda: job(self._loaded()))

    def _loaded(self) -> Run:
        if self._run is None:
            try:
                self._run = _load(self._file)
            except Exception as error:
                self._broken = True
                log.warning("onnx.unusable", file=self._file.name, error=type(error).__name__)
                raise
        return self._run


def _load(file: Path) -> Run:
    import onnxruntime  # noqa: PLC0415 - a tenth of a second that no start waits for

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", OFF)
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda given: list(session.run(None, given))
