"""Background work that a session owes: what it is, and how it ends."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

JobKind = Literal["export", "export.remove"]
JOBS: Final = "jobs"
"""The author of how a job ended."""
FAILED: Final = "job.failed"
"""Why a job ended that failed every time; it is not tried again."""


class ExportMade(msgspec.Struct, frozen=True, tag="export"):
    """The file is kept in `parts` pieces as copy `copy` of its export; in all it has `size` bytes and that hash."""

    copy: int
    parts: int
    size: int
    sha256: str


class ExportRemoved(msgspec.Struct, frozen=True, tag="export.remove"):
    """Nothing of the file is kept any more."""


JobResult = ExportMade | ExportRemoved


class Job(msgspec.Struct, frozen=True):
    """What is to be done for a user; `subject` is the id of what it is about. Its own id comes from the event that owes it."""

    id: str
    kind: JobKind
    owner: str
    subject: str


class JobOutcome(msgspec.Struct, frozen=True):
    """How a job ended: with a result, or with why there is none."""

    result: JobResult | None
    problem: str | None = None


class OwedJob(msgspec.Struct, frozen=True):
    """A job that is owed since then."""

    id: str
    kind: JobKind
    subject: str
    since: Annotated[datetime, Meta(tz=True)]
