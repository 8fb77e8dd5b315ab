"""All that a call's sound needs as it is configured: models that hear and speak, behind their breakers, and the detectors."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from actors.media import Sound, Speaker, SpeechDetector, SpeechFailed, Transcriber, Transcript, TurnJudge
from transport.providers.breaker import Breaker
from transport.providers.guarded import Guard
from transport.providers.openai_client import OPENAI
from transport.providers.openai_speech import Deadlines, OpenAISpeaker, OpenAITranscriber
from transport.providers.silero import Silero
from transport.providers.smart_turn import SmartTurn

TRANSCRIBER: Final = "transcriber"
SPEAKER: Final = "speaker"
FALLBACK: Final = "_fallback"


class Secret(Protocol):
    def get_secret_value(self) -> str: ...


Port = TypeVar("Port", Transcriber, Speaker)
Adapter = TypeVar("Adapter", OpenAITranscriber, OpenAISpeaker)


class Warmed(Protocol):
    async def warm(self) -> None: ...


class Wanted(Protocol):
    """What the settings say of the models that hear and speak, under the settings' names."""

    openai_base_url: str | None
    transcriber_base_url: str | None
    transcriber_model: str
    transcriber_interim_model: str | None
    transcriber_fallback_base_url: str | None
    transcriber_fallback_model: str | None
    transcriber_seconds: float
    speaker_base_url: str | None
    speaker_model: str
    speaker_voice: str
    speaker_fallback_base_url: str | None
    speaker_fallback_model: str | None
    speaker_fallback_voice: str | None
    speaker_first_sound_seconds: float
    speaker_between_sounds_seconds: float
    speaker_whole_seconds: float
    model_rest_seconds: float

    @property
    def models_directory(self) -> Path: ...

    @property
    def openai_api_key(self) -> Secret | None: ...

    @property
    def transcriber_api_key(self) -> Secret | None: ...

    @property
    def transcriber_fallback_api_key(self) -> Secret | None: ...

    @property
    def speaker_api_key(self) -> Secret | None: ...

    @property
    def speaker_fallback_api_key(self) -> Secret | None: ...


class Chain(Generic[Port]):
    """Providers of one port, asked in order until one does what it is asked."""

    def __init__(self, guarded: Sequence[tuple[Guard, Port]]) -> None:
        self._guarded: Sequence[tuple[Guard, Port]] = guarded
        self.name = guarded[0][1].name


class Transcribers(Chain[Transcriber]):
    """`media.Transcriber`. Raises what the last one failed with."""

    async def transcribe(self, pcm: bytes, *, language: str | None = None, interim: bool = False) -> Transcript:
        last = SpeechFailed("speech.missing")
        for guard, transcriber in self._guarded:
            try:
                with guard.call():
                    return await transcriber.transcribe(pcm, language=language, interim=interim)
            except SpeechFailed as failed:
                last = failed
        raise last


class Speakers(Chain[Speaker]):
    """`media.Speaker`. Another voice takes over only where nothing of the sentence has been said."""

    async def speak(self, text: str, *, language: str) -> AsyncGenerator[Sound, None]:
        last = SpeechFailed("speech.missing")
        for guard, speaker in self._guarded:
            begun = False
            try:
                with guard.call():
                    async with aclosing(speaker.speak(text, language=language)) as sounds:
                        async for sound in sounds:
                            begun = True
                            yield sound
            except SpeechFailed as failed:
                if begun:
                    raise
                last = failed
            else:
                return
        raise last


class Speech:
    """`transcriber` and `speaker` are None where none is configured: then there are no calls."""

    def __init__(
        self,
        transcribers: Mapping[str, OpenAITranscriber],
        speakers: Mapping[str, OpenAISpeaker],
        detectors: tuple[Silero, SmartTurn],
        rest: float,
    ) -> None:
        self._opened: Sequence[Warmed] = (*transcribers.values(), *speakers.values(), *detectors)
        self._usual = [found for found in (transcribers.get(TRANSCRIBER), speakers.get(SPEAKER)) if found is not None]
        self._silero, self._smart_turn = detectors
        self.by_part = {
            part: Guard(found.name, Breaker(rest=rest), "speech")
            for part, found in {**transcribers, **speakers}.items()
        }
        heard = [(self.by_part[part], found) for part, found in transcribers.items()]
        spoken = [(self.by_part[part], found) for part, found in speakers.items()]
        self.transcriber: Transcriber | None = Transcribers(heard) if heard else None
        self.speaker: Speaker | None = Speakers(spoken) if spoken else None

    @property
    def detector(self) -> SpeechDetector:
        """Goes by loudness in the calls that begin before its model's file is there."""
        return self._silero

    @property
    def judge(self) -> TurnJudge | None:
        """None while its model's file is not there: then pauses alone say who has finished."""
        return self._smart_turn if self._smart_turn.is_there else None

    async def warm(self) -> None:
        """Import, open and load what the first call needs."""
        for adapter in self._opened:
            await adapter.warm()

    async def check(self) -> None:
        """Raises the SpeechFailed that the newest request to a usual model ended in."""
        for adapter in self._usual:
            await adapter.check()

    def states(self) -> Mapping[str, str]:
        """Where each breaker stands, and by what speech and the end of a turn are told."""
        detectors = {
            "detector": "silero" if self._silero.is_there else "loudness",
            "judge": "smart_turn" if self._smart_turn.is_there else "none",
        }
        return {part: guard.state for part, guard in self.by_part.items()} | detectors


@asynccontextmanager
async def opened(wanted: Wanted) -> AsyncIterator[Speech]:
    """Entering opens no connection."""
    async with AsyncExitStack() as stack:
        transcribers = {part: await stack.enter_async_context(one) for part, one in _transcribers(wanted).items()}
        speakers = {part: await stack.enter_async_context(one) for part, one in _speakers(wanted).items()}
        silero = await stack.enter_async_context(Silero(wanted.models_directory))
        smart_turn = await stack.enter_async_context(SmartTurn(wanted.models_directory))
        yield Speech(transcribers, speakers, (silero, smart_turn), wanted.model_rest_seconds)


def _transcribers(wanted: Wanted) -> dict[str, OpenAITranscriber]:
    def make(at: tuple[str, str] | None, model: str) -> OpenAITranscriber | None:
        seconds, interim = wanted.transcriber_seconds, wanted.transcriber_interim_model
        return None if at is None else OpenAITranscriber(*at, model, seconds=seconds, interim_model=interim)

    usual = make(
        _place(wanted.transcriber_base_url, wanted.transcriber_api_key) or _own(wanted), wanted.transcriber_model
    )
    place = _place(wanted.transcriber_fallback_base_url, wanted.transcriber_fallback_api_key)
    return _parts(TRANSCRIBER, usual, make(place, wanted.transcriber_fallback_model or wanted.transcriber_model))


def _speakers(wanted: Wanted) -> dict[str, OpenAISpeaker]:
    deadlines = Deadlines(
        wanted.speaker_first_sound_seconds, wanted.speaker_between_sounds_seconds, wanted.speaker_whole_seconds
    )

    def make(at: tuple[str, str] | None, model: str, voice: str) -> OpenAISpeaker | None:
        return None if at is None else OpenAISpeaker(*at, model, voice=voice, deadlines=deadlines)

    place = _place(wanted.speaker_base_url, wanted.speaker_api_key) or _own(wanted)
    usual = make(place, wanted.speaker_model, wanted.speaker_voice)
    fallback = make(
        _place(wanted.speaker_fallback_base_url, wanted.speaker_fallback_api_key),
        wanted.speaker_fallback_model or wanted.speaker_model,
        wanted.speaker_fallback_voice or wanted.speaker_voice,
    )
    return _parts(SPEAKER, usual, fallback)


def where(wanted: Wanted) -> tuple[str | None, str | None]:
    """The URLs of who hears and who speaks; None for nobody."""
    hears = _place(wanted.transcriber_base_url, wanted.transcriber_api_key) or _own(wanted)
    speaks = _place(wanted.speaker_base_url, wanted.speaker_api_key) or _own(wanted)
    hears = hears or _place(wanted.transcriber_fallback_base_url, wanted.transcriber_fallback_api_key)
    speaks = speaks or _place(wanted.speaker_fallback_base_url, wanted.speaker_fallback_api_key)
    return hears and hears[0], speaks and speaks[0]


def _parts(part: str, usual: Adapter | None, fallback: Adapter | None) -> dict[str, Adapter]:
    """A fallback alone is the usual one."""
    there = [adapter for adapter in (usual, fallback) if adapter is not None]
    return dict(zip((part, part + FALLBACK), there, strict=False))


def _place(url: str | None, key: Secret | None) -> tuple[str, str] | None:
    """URL and key of a provider; None when neither is set."""
    if url is None and key is None:
        return None
    return url or OPENAI, "" if key is None else key.get_secret_value()


def _own(wanted: Wanted) -> tuple[str, str] | None:
    """The chat provider's, where that is OpenAI itself: others may have no models for sound."""
    url = wanted.openai_base_url or OPENAI
    return _place(url, wanted.openai_api_key) if wanted.openai_api_key and url.startswith(OPENAI) else None
