"""What the calls of a node come to: how many, how they ended, and how long each stage of a turn took."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Final

BOUNDS: Final = (10, 25, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800)
"""Milliseconds up to which a stage counts into each part of its histogram; the last part is for what took longer."""


class Histogram:
    def __init__(self) -> None:
        self.parts = [0] * (len(BOUNDS) + 1)
        self.sum = 0

    def add(self, milliseconds: int) -> None:
        self.parts[bisect_left(BOUNDS, milliseconds)] += 1
        self.sum += milliseconds


class Figures:
    def __init__(self) -> None:
        self.live = self.begun = self.turns = 0
        self.ended: Counter[str] = Counter()
        """By reason."""
        self.stages: dict[str, Histogram] = {}

    def began(self) -> None:
        self.live += 1
        self.begun += 1

    def came_to_end(self, reason: str) -> None:
        self.live -= 1
        self.ended[reason] += 1

    def answered(self, stages: Mapping[str, int]) -> None:
        """A turn of the user was: milliseconds by stage."""
        self.turns += 1
        for stage, milliseconds in stages.items():
            self.stages.setdefault(stage, Histogram()).add(milliseconds)
