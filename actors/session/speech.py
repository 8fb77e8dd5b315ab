"""What is said in one reply, as devices hear it: in order, each character once, not more often than they can show."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

from actors.domain.conversation import OFFLINE
from actors.ports import ModelFailed
from actors.runtime.envelope import Refused
from actors.session.problems import GAP

MAX_SAID: Final = 199_000
"""Characters in one reply; with the closing sentence it stays within what `FinishReply` takes."""
FLUSH: Final = 0.04
"""Seconds between two deltas, unless a sentence ends."""
_SENTENCE: Final = 20
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "\n", "。", "！", "？")  # noqa: RUF001 - full-width marks end sentences


class Speech:
    """What is said in one reply: each character once, the first at once, then in pieces of 40 ms or a sentence."""

    def __init__(self, said: Callable[[str, str], None]) -> None:
        self.by = OFFLINE
        """Who speaks."""
        self.length = 0
        self._said = said
        self._pieces: list[str] = []
        self._unsaid: list[str] = []
        self._paragraph = True
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def add(self, text: str) -> None:
        """Say it. Raises ModelFailed (model.endless) when that would be more than anyone can read."""
        if self._paragraph:
            text = text.lstrip()
            if not text:
                return
            text = f"{GAP}{text}" if self.length else text
            self._paragraph = False
        room = MAX_SAID - self.length
        self._speak(text[:room])
        if len(text) > room:
            raise ModelFailed("model.endless")

    def end_paragraph(self) -> None:
        """What is said next begins a paragraph."""
        self._paragraph = True

    def end_with(self, sentence: str) -> None:
        """Say our own last sentence, as a paragraph, however much was said before."""
        self._speak(f"{GAP}{sentence}" if self.length else sentence)

    def close(self) -> str:
        """Say what has not been said yet; answers all that was said."""
        self._flush()
        return "".join(self._pieces)

    def _speak(self, text: str) -> None:
        self.length += len(text)
        self._unsaid.append(text)
        if self._timer is None:
            self._flush()
            self._wait()
        elif text.endswith(_SENTENCE_ENDS) and sum(map(len, self._unsaid)) >= _SENTENCE:
            self._flush()

    def _say(self) -> None:
        """Say what waits; while there is something to say, once every 40 ms."""
        self._timer = None
        if self._unsaid:
            with suppress(Refused):  # the session has ended: nobody listens, the reply stays owed
                self._flush()
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(FLUSH, self._say)

    def _flush(self) -> None:
        text = "".join(self._unsaid)
        self._unsaid.clear()
        if text:
            self._pieces.append(text)
            self._said(text, self.by)
