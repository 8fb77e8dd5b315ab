"""What the doctor says of a part."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from config.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One line. `why` is empty when all is well; `fix` is what to do then, or what to know."""

    part: str
    state: str
    version: str = ""
    why: str = ""
    fix: str = ""


Check = Callable[[Settings, dict[str, Any]], Awaitable[list[Finding]]]
