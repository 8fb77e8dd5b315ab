"""Whisper: the words of a stretch of speech. What holds no speech has none, and what it makes up is left out."""

import io
import math
import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

RATE: Final = 16_000
LONGEST: Final = 31 * RATE
FRAMES: Final = 3000
"""Of 10 ms: what Whisper reads at once."""
THREADS: Final = min(2, os.cpu_count() or 1)
"""Nothing is written while words are recognised: both cores of a small machine are free, and it takes two thirds as long."""
QUIET: Final = 0.003
"""A peak below holds no word (-50 dB of the loudest there is)."""
PEAK: Final = 0.7
"""What quieter speech is brought to, by a factor of ten at most."""
AFTER, AFTER_SO_FAR = 8 * RATE, 4 * RATE
"""Silence put after what is said to its end, and after what is not: with less, more of it is repeated."""
FASTEST, FASTEST_SO_FAR = 7, 5
"""Tokens that anybody says in a second; what makes more has begun to repeat itself."""
SURE: Final = -0.6
NO_SPEECH, UNLIKELY, MADE_UP, REPEATED = 0.6, -0.8, -1.2, 2.4
"""Whisper's own figures: likely no speech and not sure of its words; not sure at all; the same words again and again."""


class Segment(msgspec.Struct, frozen=True):
    text: str
    no_speech_prob: float
    avg_logprob: float
    compression_ratio: float
    pace: float = 0.0
    """Tokens a second, where they were counted."""

    @property
    def is_said(self) -> bool:
        silent = self.no_speech_prob > NO_SPEECH and self.avg_logprob < UNLIKELY
        return not silent and self.avg_logprob >= MADE_UP and self.compression_ratio <= REPEATED

    @property
    def is_sure(self) -> bool:
        """Whether looking longer would find nothing else."""
        likely = self.avg_logprob >= SURE and self.no_speech_prob <= NO_SPEECH
        return likely and self.pace < FASTEST and bool(self.text) and once(self.text) == self.text


class Recognised(msgspec.Struct, frozen=True):
    text: str
    language: str
    duration: float
    segments: tuple[Segment, ...] = ()


def is_installed() -> bool:
    return find_spec("faster_whisper") is not None


class Whisper:
    """The model's other files lie beside `file`. Made in a thread: opening takes a second.

    It was made for 30 s at once, and takes as long for two. Eight seconds of silence after the sound are enough for it to
    find its end, in a third of the time and as well (real recordings: 6 beside 5 % of the words wrong, 5 beside 12 in
    noise), but for now and then a sentence that it loses itself in: of those it is not sure, and hears all of them again.
    """

    def __init__(self, file: Path) -> None:
        from faster_whisper import WhisperModel  # noqa: PLC0415 - part of [local] only

        self._model: Any = WhisperModel(
            str(file.parent),
            device="cpu",
            compute_type="int8",
            cpu_threads=THREADS,
            num_workers=1,
            local_files_only=True,
        )

    def words(self, recording: bytes, language: str | None) -> Recognised:
        """Of a recording in any format that FFmpeg reads, 31 s at most. Raises ValueError."""
        sound, spoken = levelled(decoded(recording)), self._known(language)
        if not len(sound) or not has_speech(sound):
            return Recognised("", spoken or "en", len(sound) / RATE)
        if spoken is not None:
            heard = self._briefly(sound, spoken, AFTER, FASTEST)
            if heard.is_sure:
                return Recognised(heard.text, spoken, len(sound) / RATE, (heard,))
        return self._wholly(sound, spoken)

    def words_so_far(self, recording: bytes, language: str | None) -> Recognised:
        """The same, more cheaply, of what is not said to its end. Raises ValueError."""
        sound, spoken = levelled(decoded(recording)), self._known(language) or "en"
        if not len(sound):
            return Recognised("", spoken, 0.0)
        heard = self._briefly(sound, spoken, AFTER_SO_FAR, FASTEST_SO_FAR, no_repeat_ngram_size=4)
        return Recognised(once(heard.text) if heard.is_said else "", spoken, len(sound) / RATE, (heard,))

    def _known(self, language: str | None) -> str | None:
        """None for a language that the model has no name for: it finds out what it hears."""
        if not self._model.model.is_multilingual:
            return "en"
        short = (language or "").partition("-")[0].lower()
        return short if short in self._model.supported_languages else None

    def _wholly(self, sound: Any, spoken: str | None) -> Recognised:
        found, about = self._model.transcribe(
            sound,
            language=spoken,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            vad_filter=True,
        )
        segments = tuple(_read(found))
        text = " ".join(segment.text for segment in segments if segment.is_said)
        return Recognised(text, str(about.language), len(sound) / RATE, segments)

    def _briefly(self, sound: Any, spoken: str, after: int, fastest: int, **options: Any) -> Segment:
        import numpy as np  # noqa: PLC0415 - comes with faster-whisper
        from faster_whisper.tokenizer import Tokenizer  # noqa: PLC0415 - part of [local] only

        model = self._model
        bands = model.feature_extractor(np.pad(sound, (0, after)), padding=0)[:, :FRAMES]
        tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=spoken)
        prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
        (found,) = model.model.generate(
            model.encode(bands[:, : bands.shape[1] // 2 * 2]),
            [prompt],
            beam_size=1,
            max_length=len(prompt) + 8 + fastest * len(sound) // RATE,
            return_scores=True,
            return_no_speech_prob=True,
            **options,
        )
        tokens = [token for token in found.sequences_ids[0] if token < tokenizer.eot]
        text = tokenizer.decode(tokens).strip()
        return Segment(text, found.no_speech_prob, found.scores[0], 1.0, len(tokens) * RATE / len(sound))


def has_speech(sound: Any) -> bool:
    """As the detector says that comes with Whisper: of noise and music it would make words."""
    from faster_whisper.vad import get_speech_timestamps  # noqa: PLC0415 - part of [local] only

    return bool(get_speech_timestamps(sound))


def once(text: str) -> str:
    """Of words that are there twice, one after the other, as of one who could not stop; two words at least."""
    words = text.split()
    half = len(words) // 2
    plain = [word.strip(".,!?").lower() for word in words]
    return " ".join(words[:half]) if half >= 2 and plain[:half] == plain[half:] else text


def levelled(sound: Any) -> Any:
    """As loud as the model likes it; none of it when it is too quiet for words."""
    peak = float(abs(sound).max()) if len(sound) else 0.0
    return sound * min(10.0, max(1.0, PEAK / peak)) if peak >= QUIET else sound[:0]


def _read(found: Iterable[Any]) -> Iterable[Segment]:
    for one in found:
        figures = (one.no_speech_prob, one.avg_logprob, one.compression_ratio)
        yield Segment(one.text.strip(), *(float(figure) if math.isfinite(figure) else -10.0 for figure in figures))


def decoded(recording: bytes) -> Any:
    """Samples between -1 and 1 at 16 kHz. Raises ValueError."""
    from av.error import FFmpegError  # noqa: PLC0415 - not before it is needed
    from faster_whisper import decode_audio  # noqa: PLC0415 - part of [local] only

    try:
        sound = decode_audio(io.BytesIO(recording), sampling_rate=RATE)
    except (FFmpegError, IndexError, ValueError):
        raise ValueError("the file is no recording that can be read") from None
    if len(sound) > LONGEST:
        raise ValueError("the recording is longer than 31 s")
    return sound
