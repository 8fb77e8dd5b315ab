"""A model that keeps what it has read reads what is known when a call begins, and what has changed while it is silent.

So an answer has only its question to read.
"""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import structlog

from actors.ports import LanguageModel, ModelFailed, Turn

READING: Final = "reading"
"""The name of the session's child that has it read."""

log = structlog.get_logger()


async def read(model: LanguageModel, turns: Sequence[Turn]) -> None:
    """Until it would say its first word, which nobody wants."""
    try:
        async with aclosing(model.answer(turns, ())) as pieces:
            await anext(pieces, None)
    except ModelFailed as failed:
        log.info("call.not_read_ahead", code=failed.code)
