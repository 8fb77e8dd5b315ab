"""The local AI's doors for sound: `/v1/audio/transcriptions` and `/v1/audio/speech`, as the OpenAI protocol has them."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from scripts.embedded.ai.chat import NAME
from scripts.embedded.ai.order import RECOGNISE, SPEAK, Order
from scripts.embedded.ai.recognising import Recognised, Whisper
from scripts.embedded.ai.speaking import BREATH, Voice

INTERIM: Final = f"{NAME} (interim)"
"""The model to ask for words that matter only now: none are told where others are waited for."""
FORMS: Final = frozenset({"json", "verbose_json", "text"})

Told = Callable[[Any], web.Response]


class Speech(msgspec.Struct):
    """What speech is asked for. Voices have the names of others here: there is one."""

    input: Annotated[str, Meta(min_length=1, max_length=4096)]
    model: str = NAME
    voice: Any = None
    response_format: str = "mp3"
    speed: Annotated[float, Meta(ge=0.5, le=2.0)] = 1.0


class SoundDoors:
    """`whisper` and `voice` are None until they are loaded; `missing` is what is answered then."""

    def __init__(self, order: Order, told: Told, missing: Callable[[str], web.Response]) -> None:
        self.whisper: Whisper | None = None
        self.voice: Voice | None = None
        self._order = order
        self._told = told
        self._missing = missing

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/audio/transcriptions", self.transcriptions)
        router.add_post("/v1/audio/speech", self.speech)

    async def transcriptions(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        recording, language, shape = form.get("file"), form.get("language"), form.get("response_format", "json")
        if not isinstance(recording, web.FileField) or shape not in FORMS:
            raise msgspec.ValidationError(f"a `file` is wanted, and response_format in {sorted(FORMS)}")
        with recording.file:
            sent = recording.file.read()
        if self.whisper is None:
            return self._missing("transcription")
        interim = form.get("model") == INTERIM
        if interim and self._order.busy:
            return self._answer(Recognised("", str(language or "en"), 0.0), str(shape))
        recognise = self.whisper.words_so_far if interim else self.whisper.words
        words = partial(recognise, sent, str(language) if language else None)
        try:
            found = await self._order.compute(RECOGNISE, words)
        except ValueError as problem:
            raise msgspec.ValidationError(str(problem)) from None
        return self._answer(found, str(shape))

    def _answer(self, found: Recognised, shape: str) -> web.Response:
        if shape == "text":
            return web.Response(text=found.text)
        return self._told(found if shape == "verbose_json" else {"text": found.text, "language": found.language})

    async def speech(self, request: web.Request) -> web.StreamResponse:
        asked = msgspec.json.decode(await request.read(), type=Speech)
        if asked.response_format != "pcm":
            raise msgspec.ValidationError("response_format: only pcm is made here (24 kHz, 16 bits, one channel)")
        if self.voice is None:
            return self._missing("speech")
        answer = web.StreamResponse(headers={"Content-Type": "audio/pcm", "X-Answered-By": NAME})
        spoken = False
        for piece in self.voice.pieces(asked.input):
            sound = await self._order.compute(SPEAK, partial(self.voice.sound, piece, asked.speed))
            if not answer.prepared:
                await answer.prepare(request)
            await answer.write(sound)
            spoken = spoken or bool(sound)
        if not spoken:
            await answer.prepare(request)
            await answer.write(BREATH)
        return answer
