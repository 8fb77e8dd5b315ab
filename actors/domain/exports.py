"""Exports: all that is known of a person, in one file that is theirs for a day."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from actors.domain.jobs import ExportMade, OwedJob

ExportState = Literal["running", "ready", "failed", "expired"]
EVERY: Final = timedelta(days=1)
"""How long after one export was asked for the next may be."""
LIVES: Final = timedelta(hours=24)
"""How long its file can be fetched."""
KEPT: Final = 10
"""So many the state holds; of more the oldest are forgotten, but none that runs or can be fetched."""

_Time = Annotated[datetime, Meta(tz=True)]


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """`problem` is the code of why it failed."""

    id: str
    state: ExportState
    requested_at: _Time
    made: ExportMade | None = None
    expires_at: _Time | None = None
    problem: str | None = None


def expiring(exports: Iterable[Export]) -> dict[str, datetime]:
    """When each that can be fetched can be so no more, by id."""
    return {one.id: one.expires_at for one in exports if one.state == "ready" and one.expires_at is not None}


def held(exports: Mapping[str, Export]) -> dict[str, Export]:
    """What of these, oldest first, the state keeps."""
    over = [one.id for one in exports.values() if one.state in {"failed", "expired"}][: max(0, len(exports) - KEPT)]
    return {one.id: one for one in exports.values() if one.id not in over}


class Background(msgspec.Struct, frozen=True):
    """What of a session is done by workers: the jobs that are owed, by their ids, and the exports, oldest first."""

    jobs: dict[str, OwedJob] = {}
    exports: dict[str, Export] = {}
