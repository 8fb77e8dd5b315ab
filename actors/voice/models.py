"""A call's requests to the models that hear, judge and speak: children of the call, each asked for by its turns."""

from collections.abc import Callable
from typing import Any, Final

from actors.media import FRAME, HEARD_RATE
from actors.runtime.actor import Children
from actors.voice import moves, requests
from actors.voice.endpointing import Segment
from actors.voice.levels import Levels
from actors.voice.messages import Around
from actors.voice.microphone import Microphone

TRANSCRIBING: Final = 8
"""Segments whose words are asked for at once, at most."""
JUDGED: Final = 8 * HEARD_RATE
"""Samples the judge is given at most."""


class Models:
    """Lives in its call's task, and reads what its microphone holds."""

    def __init__(self, around: Around, microphone: Microphone, children: Children, language: str) -> None:
        self._around = around
        self._microphone = microphone
        self._children = children
        self._language = language
        self._speaking: set[str] = set()
        self._transcribing: set[str] = set()

    def judge(self, segment: Segment) -> None:
        """The pause after it; what is still asked about an earlier one is of no use."""
        if self._around.judge is not None:
            pcm = self._microphone.between(max(segment.start, segment.end - JUDGED), segment.end)
            self._children.cancel("judge")
            self._children.spawn("judge", requests.judge(self._around.judge, pcm, segment))

    def transcribe(self, asked: moves.Transcribe) -> moves.Event | None:
        """A segment that has grown is asked for anew: its words so far are of no use."""
        pcm = self._microphone.between(asked.segment.start, asked.segment.end or self._microphone.end)
        name = f"transcribe/{'interim' if asked.interim else asked.segment.number}"
        self._children.cancel(name)
        self._transcribing = {known for known in self._transcribing if known in self._children}
        if len(self._transcribing) >= TRANSCRIBING:
            return moves.NotTranscribed(asked.turn, asked.segment, "speech.limited", asked.interim)
        self._transcribing.add(name)
        self._children.spawn(name, requests.transcribe(self._around.transcriber, pcm, asked, self._language))
        return None

    def measure(self, asked: moves.Measure, voiced: float) -> moves.Measured:
        levels = Levels(int(FRAME * HEARD_RATE))
        levels.add(self._microphone.between(asked.start, self._microphone.end))
        return moves.Measured(asked.turn, tuple(levels.peaks), voiced)

    def speak(self, asked: moves.Speak, tell: Callable[[Any], None]) -> None:
        name = f"speak/{asked.generation}/{asked.line}"
        self._speaking = {known for known in self._speaking if known in self._children} | {name}
        self._children.spawn(name, requests.speak(self._around.speaker, asked, self._language, tell))

    def hush(self, hush: moves.Hush) -> None:
        for name in self._speaking:
            _, generation, line = name.split("/")
            if int(generation) == hush.generation and hush.line in {0, int(line)}:
                self._children.cancel(name)
