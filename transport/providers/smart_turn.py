"""Smart Turn v3: how likely whoever has just fallen silent has finished, by how they said it."""

from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from actors.media import HEARD_RATE
from transport.providers.onnx import OnnxModel, Run

FILE: Final = "smart-turn-v3.2-cpu.onnx"
SAMPLES: Final = 8 * HEARD_RATE
"""What the model hears: the last 8 s, silence before if there is less."""
FFT, HOP, MELS = 400, 160, 80
"""As Whisper's encoder hears: 25 ms every 10 ms, in 80 bands."""
FLOOR, RANGE = 1e-10, 8.0
"""Of a band's power; and the decades below the loudest that count."""
LINEAR_TO: Final = 1000.0
"""Hertz up to which Slaney's mel scale is linear, with 200/3 Hz a mel; above, 27 mel are a factor of 6.4."""

Floats = np.ndarray[Any, np.dtype[Any]]


class SmartTurn:
    """`media.TurnJudge`."""

    def __init__(self, directory: Path) -> None:
        self._model = OnnxModel(directory / FILE)

    async def __aenter__(self) -> Self:
        await self._model.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._model.__aexit__()

    async def warm(self) -> None:
        await self._model.warm()

    @property
    def is_there(self) -> bool:
        return self._model.is_there

    async def finished(self, pcm: bytes) -> float:
        def judged(run: Run) -> float:
            told = run({"input_features": log_mel(pcm)[None]})
            return float(np.asarray(told[0]).ravel()[0])

        return await self._model.ask(judged)


def log_mel(pcm: bytes) -> Floats:
    """80 bands by 800 steps of 10 ms, as Whisper's feature extractor makes them of sound brought to unit variance."""
    heard = np.frombuffer(pcm[-2 * SAMPLES :], "<i2").astype(np.float32) / 32768
    sound = np.zeros(SAMPLES, np.float32)
    sound[SAMPLES - len(heard) :] = heard
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    around = np.pad(sound, FFT // 2, mode="reflect")
    steps = np.lib.stride_tricks.sliding_window_view(around, FFT)[:SAMPLES:HOP]
    spectrum = np.fft.rfft(steps * _window())
    power = spectrum.real**2 + spectrum.imag**2
    bands = np.log10(np.maximum(power @ _bands(), FLOOR)).T
    scaled: Floats = ((np.maximum(bands, bands.max() - RANGE) + 4) / 4).astype(np.float32)
    return scaled


@cache
def _window() -> Floats:
    """Hann's, periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)


@cache
def _bands() -> Floats:
    """What each of the 201 frequencies gives to each band: triangles of the same area, evenly spaced in mel."""
    last = _mel(HEARD_RATE / 2)
    edges = np.array([_hertz(mel) for mel in np.linspace(0, last, MELS + 2)])
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    frequencies = np.linspace(0, HEARD_RATE / 2, FFT // 2 + 1)[:, None]
    rising = (frequencies - left) / (peak - left)
    falling = (right - frequencies) / (right - peak)
    bands: Floats = np.maximum(0, np.minimum(rising, falling)) * 2 / (right - left)
    return bands


def _mel(hertz: float) -> float:
    linear = min(hertz, LINEAR_TO) * 3 / 200
    return float(linear + max(0.0, np.log(max(hertz, LINEAR_TO) / LINEAR_TO) / np.log(6.4) * 27))


def _hertz(mel: float) -> float:
    bend = _mel(LINEAR_TO)
    return float(mel * 200 / 3 if mel <= bend else LINEAR_TO * np.exp(np.log(6.4) / 27 * (mel - bend)))
