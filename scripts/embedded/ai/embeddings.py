"""Sentence embeddings by MiniLM as an ONNX file: 384 numbers of length 1, in a thread, one batch at a time."""

import asyncio
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

MAX_TOKENS: Final = 256
"""What the model was made for; what follows is not read."""


def is_installed() -> bool:
    return find_spec("onnxruntime") is not None and find_spec("tokenizers") is not None


class Embedder:
    """`tokenizer.json` lies beside the model's file. Made in a thread: opening takes half a second."""

    def __init__(self, file: Path) -> None:
        import onnxruntime  # noqa: PLC0415 - part of [local] only
        from tokenizers import Tokenizer  # noqa: PLC0415 - part of [local] only

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._tokenizer: Any = Tokenizer.from_file(str(file.with_name("tokenizer.json")))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()
        self._one = asyncio.Lock()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        async with self._one:
            return await asyncio.to_thread(self._embedded, list(texts))

    def _embedded(self, texts: list[str]) -> list[list[float]]:
        """The mean over a text's tokens, as sentence-transformers does it for this model."""
        import numpy as np  # noqa: PLC0415 - comes with onnxruntime

        encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
        given = {
            "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        hidden = np.asarray(self._session.run(None, {name: given[name] for name in self._inputs})[0], dtype=np.float32)
        if hidden.ndim == 3:
            weights = mask[:, :, None].astype(np.float32)
            hidden = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        unit = hidden / np.maximum(np.linalg.norm(hidden, axis=1, keepdims=True), 1e-9)
        return [[float(number) for number in vector] for vector in unit]
