"""Real people's recordings with what they say, as Debian has them in `pocketsphinx-testdata`; and how many words went wrong."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

PLACE: Final = Path("/usr/share/pocketsphinx/test/data")
_SAYS: Final = re.compile(r"<s>(?P<words>.*?)</s>\s*\((?P<name>[^)]+)\)")
_RAW: Final = {"goforward": "go forward ten meters"}
"""Without a header: 16 kHz, 16 bits."""
_NUMBERS: Final = dict(zip(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"], ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], strict=True))  # fmt: skip
_SAME: Final = {"mr": "mister", "metres": "meters"}


@dataclass(frozen=True)
class Clip:
    """`sound`: a file in any format, or raw samples."""

    name: str
    said: str
    path: Path

    @property
    def is_raw(self) -> bool:
        return self.path.suffix == ".raw"


def clips(place: Path = PLACE) -> Sequence[Clip]:
    """Empty where they are not installed."""
    return list(_clips(place))


def _clips(place: Path) -> Iterator[Clip]:
    for told in (place / "cards" / "cards.transcription", place / "librivox" / "transcription"):
        for says in _SAYS.finditer(told.read_text() if told.is_file() else ""):
            path = told.parent / f"{says['name']}.wav"
            if path.is_file():
                yield Clip(says["name"], says["words"].strip(), path)
    for name, said in _RAW.items():
        if (place / f"{name}.raw").is_file():
            yield Clip(name, said, place / f"{name}.raw")


def words(text: str) -> list[str]:
    """As they are spoken: lower case, numbers as words, hyphens apart."""
    plain = re.sub(r"[^\w' ]", " ", text.lower().replace("-", " ")).split()
    return [_SAME.get(word, _NUMBERS.get(word, word)) for word in plain]


def wrong(said: str, heard: str) -> int:
    """Words left out, put in or replaced: the least number of such changes."""
    wanted, found = words(said), words(heard)
    costs = list(range(len(found) + 1))
    for row, one in enumerate(wanted, 1):
        before, costs[0] = costs[0], row
        for column, other in enumerate(found, 1):
            before, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, before + (one != other)),
            )
    return costs[-1]


def error_rate(heard: Sequence[tuple[str, str]]) -> float:
    """Percent, of pairs of what was said and what was heard."""
    return 100 * sum(wrong(*pair) for pair in heard) / sum(len(words(said)) for said, _ in heard)


def noisy(pcm: bytes, decibels: float, seed: int = 1) -> bytes:
    """The same with white noise, so far below it."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    loudness = np.sqrt(np.mean(samples**2)) * 10 ** (-decibels / 20)
    noise = np.random.default_rng(seed).standard_normal(len(samples)) * loudness
    return bytes(np.clip(samples + noise, -32768, 32767).astype("<i2").tobytes())
