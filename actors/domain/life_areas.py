"""The six areas of a life."""

from typing import Literal

Area = Literal["health", "finance", "family", "career", "learning", "creativity"]
AREAS: tuple[Area, ...] = ("health", "finance", "family", "career", "learning", "creativity")
