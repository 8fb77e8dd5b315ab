"""Models that hear and speak behind the OpenAI protocol: words of a sound, sound of a sentence, each within its deadlines."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from email.message import Message
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec
import structlog

from actors.media import FRAME, HEARD_RATE, SPOKEN_RATE, Sound, SpeechFailed, Transcript
from transport.providers.openai_client import OpenAIClient, wait_of, word_of
from transport.providers.wav import pack_wav

if TYPE_CHECKING:
    from openai import AsyncAPIResponse

SHORTEST: Final = HEARD_RATE // 5
"""Bytes of 0.1 s: less is refused by OpenAI, and holds no word."""
MAX_ANSWER: Final = 256 * 1024
MAX_TEXT: Final = 4_000
"""Characters: nobody says more in 30 s."""
MAX_SOUND: Final = 60 * 2 * SPOKEN_RATE
LEAST: Final = int(FRAME * SPOKEN_RATE) * 2
"""Bytes of one frame: less is waited for, but at the end."""
CONTAINERS: Final = (b"RIFF", b"ID3", b"OggS", b"fLaC", b"<", b"{", b"\x1aE\xdf\xa3")
"""What no PCM begins with: it would be noise in an ear."""
NO_SPEECH, UNLIKELY, REPEATED = 0.6, -1.0, 2.4
"""Whisper's own limits: a segment that likely holds no speech and is poorly known, or compresses too well, was made up."""
NOTE: Final = re.compile(r"[\[(*♪][^\])*♪]*[\])*♪]|[♪\s.…]*")
"""All of a text that is not said by anybody, such as [BLANK_AUDIO] and (music)."""
PASSING: Final = frozenset({"speech.unreachable", "speech.cut", "speech.error", "speech.garbage", "speech.limited"})
"""What may be over when it is asked again at once. Whoever has let a deadline pass is not asked again."""
AT_ONCE: Final = 1.0
"""Seconds that a provider may want to be left alone for, and still be asked again."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds until the first sound, between two pieces of it, and for a whole sentence."""

    first: float = 3.0
    between: float = 3.0
    whole: float = 30.0


class _Segment(msgspec.Struct):
    text: str
    no_speech_prob: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0

    @property
    def is_said(self) -> bool:
        silent = self.no_speech_prob > NO_SPEECH and self.avg_logprob < UNLIKELY
        return not silent and self.compression_ratio <= REPEATED


class _Answer(msgspec.Struct):
    text: str
    language: str | None = None
    segments: list[_Segment] | None = None


class _Provider:
    """One model of one provider, and how it was last seen to fail."""

    def __init__(self, url: str | None, key: str, model: str) -> None:
        self.name = model
        self._client = OpenAIClient(url, key)
        self._trouble: SpeechFailed | None = None

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def warm(self) -> None:
        """Import and open what the first request needs; the server calls it once it is ready."""
        await self._client.open()

    async def check(self) -> None:
        """Raises the SpeechFailed the newest request ended in; a model nobody has asked yet is taken at its word."""
        if self._trouble is not None:
            raise SpeechFailed(self._trouble.code)

    async def _asked(self, ask: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Once more, if it failed before the deadline in a way that may pass."""
        try:
            return await ask()
        except SpeechFailed as failed:
            unsaid = AT_ONCE if failed.code == "speech.limited" else 0.0
            wait = unsaid if failed.retry_after is None else failed.retry_after
            if failed.code not in PASSING or wait >= AT_ONCE or _now() + wait >= deadline:
                raise
        await asyncio.sleep(wait + random.uniform(0.02, 0.1))  # noqa: S311 - spreads load, hides nothing
        return await ask()

    def _failed(self, error: Exception | None, broken: str) -> SpeechFailed:
        """The failure an error means; `broken` is what a lost connection means at this point, and what None does."""
        code = f"speech.{word_of(error, broken)}"
        log.warning(
            "speech.failed",
            model=self.name,
            code=code,
            status=getattr(error, "status_code", None),
            cause=type(error).__name__ if error else None,
        )
        self._trouble = SpeechFailed(code, retry_after=wait_of(error))
        return self._trouble


class OpenAITranscriber(_Provider):
    """`media.Transcriber`. Of a whisper model its own figures are asked for too, and what it made up is left out."""

    def __init__(
        self, url: str | None, key: str, model: str, *, seconds: float = 5.0, interim_model: str | None = None
    ) -> None:
        """`seconds` for a transcript, asking again included; `interim_model` hears what is not said to its end."""
        super().__init__(url, key, model)
        self._seconds = seconds
        self._interim = interim_model or model

    async def transcribe(self, pcm: bytes, *, language: str | None = None, interim: bool = False) -> Transcript:
        if len(pcm) < SHORTEST:
            return Transcript("")
        client = await self._client.open()
        deadline = _now() + self._seconds
        model = self._interim if interim else self.name
        request: dict[str, Any] = {
            "file": ("speech.wav", pack_wav(pcm), "audio/wav"),
            "model": model,
            "response_format": "verbose_json" if "whisper" in model else "json",
        }
        request |= {} if language is None else {"language": language}
        create = client.audio.transcriptions.with_streaming_response.create

        async def ask() -> Transcript:
            return self._read(await self._received(create, request, deadline))

        transcript = await self._asked(ask, deadline)
        self._trouble = None
        return transcript

    async def _received(self, create: Callable[..., Any], request: dict[str, Any], deadline: float) -> bytes:
        broken = "unreachable"
        try:
            async with asyncio.timeout_at(deadline), create(**request) as response:
                broken = "cut"
                gathered = await _gathered(response)
        except _errors() as error:
            # Without the cause: a provider's error may repeat what people said.
            raise self._failed(error, broken) from None
        return gathered

    def _read(self, received: bytes) -> Transcript:
        try:
            answer = msgspec.json.decode(received, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._failed(None, "garbage") from None
        if len(answer.text) > MAX_TEXT:
            raise self._failed(None, "garbage")
        text = answer.text
        if answer.segments is not None:
            text = " ".join(segment.text.strip() for segment in answer.segments if segment.is_said)
        language = answer.language if answer.language and len(answer.language) == 2 else None
        return Transcript("" if NOTE.fullmatch(text.strip()) else text.strip(), language)


class OpenAISpeaker(_Provider):
    """`media.Speaker`: streamed PCM. It tells no word times."""

    def __init__(
        self,
        url: str | None,
        key: str,
        model: str,
        *,
        voice: str,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(url, key, model)
        self._voice = voice
        self._deadlines = deadlines

    async def speak(self, text: str, *, language: str) -> AsyncGenerator[Sound, None]:  # noqa: ARG002 - the text shows it
        await self._client.open()
        last = _now() + self._deadlines.whole
        first = min(last, _now() + self._deadlines.first)
        stream = await self._asked(lambda: self._begun(text, first), first)
        try:
            sound, length = stream.begun, len(stream.begun)
            while sound:
                yield Sound(sound)
                sound = await self._next(stream, min(last, _now() + self._deadlines.between))
                length += len(sound)
                if length > MAX_SOUND:
                    raise self._failed(None, "garbage")
        finally:
            await stream.close()
        self._trouble = None

    async def _begun(self, text: str, deadline: float) -> "_Stream":
        """A stream whose first sound is there."""
        client = await self._client.open()
        stream = _Stream()
        broken = "unreachable"
        try:
            async with asyncio.timeout_at(deadline):
                asked = client.audio.speech.with_streaming_response.create(
                    model=self.name, voice=self._voice, input=text, response_format="pcm"
                )
                await stream.enter(asked)
                broken = "cut"
                stream.begun = await stream.sound()
        except BaseException as error:
            await stream.close()
            if isinstance(error, _errors()):
                raise self._failed(error, broken) from None
            raise
        if not stream.is_pcm:
            await stream.close()
            raise self._failed(None, "garbage")
        return stream

    async def _next(self, stream: "_Stream", deadline: float) -> bytes:
        try:
            async with asyncio.timeout_at(deadline):
                return await stream.sound()
        except _errors() as error:
            raise self._failed(error, "cut") from None


class _Stream:
    """The sound of one answer as it comes: whole samples, of a frame at least, empty at the end."""

    def __init__(self) -> None:
        self.begun = b""
        self._opened = AsyncExitStack()
        self._type = ""
        self._pieces: AsyncIterator[bytes]
        self._held = b""

    async def enter(self, asked: Any) -> None:
        response: AsyncAPIResponse[Any] = await self._opened.enter_async_context(asked)
        self._type = response.headers.get("content-type", "")
        self._pieces = await self._opened.enter_async_context(aclosing(response.http_response.aiter_bytes()))

    async def close(self) -> None:
        await self._opened.aclose()

    async def sound(self) -> bytes:
        gathered = self._held
        while len(gathered) < LEAST and (piece := await anext(self._pieces, None)) is not None:
            gathered += piece
        whole = len(gathered) & ~1
        self._held = gathered[whole:]
        return gathered[:whole]

    @property
    def is_pcm(self) -> bool:
        """Whether what has begun can be sound as it was asked for; some providers say octets, some the right rate."""
        said = Message()
        said["content-type"] = self._type or "application/octet-stream"
        sounds = said.get_content_maintype() == "audio" or said.get_content_type() == "application/octet-stream"
        rate = str(said.get_param("rate", SPOKEN_RATE))
        return bool(self.begun) and sounds and rate == str(SPOKEN_RATE) and not self.begun.startswith(CONTAINERS)


async def _gathered(response: "AsyncAPIResponse[Any]") -> bytes:
    """Its body, or more of it than any answer has."""
    gathered = bytearray()
    async with aclosing(response.http_response.aiter_bytes()) as pieces:
        async for piece in pieces:
            gathered += piece
            if len(gathered) > MAX_ANSWER:
                break
    return bytes(gathered)


def _errors() -> tuple[type[Exception], ...]:
    """Whatever asking and reading may raise."""
    import httpx2  # noqa: PLC0415 - loaded by OpenAIClient.open, which it comes with
    from openai import OpenAIError  # noqa: PLC0415 - loaded by OpenAIClient.open

    return OpenAIError, TimeoutError, httpx2.HTTPError


def _now() -> float:
    return asyncio.get_running_loop().time()
