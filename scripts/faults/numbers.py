"""Every time and size of a run: as in production for `scripts/chaos`, brief for the tests."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Numbers:
    """Seconds, but for counts; `election` is after how long the mongods choose another primary."""

    users: int = 32
    lease: float = 10.0
    refresh: float = 3.0
    election: float = 10.0
    shed_lag: float = 0.5
    patience: float = 8.0
    """An app waits so long for an ack before it asks again."""
    pause: float = 0.25
    """Between two commands of a device, on average."""
    calm: float = 6.0
    """Between two faults."""
    heals_within: float = 60.0
    """After a fault is over: until everybody is served and all devices are up to date."""
    settles_within: float = 120.0
    """After the last command: until every reply is there."""


PRODUCTION: Final = Numbers()
BRIEF: Final = Numbers(
    users=8, lease=2.0, refresh=0.5, election=1.0, shed_lag=5.0, patience=3.0, calm=1.0, heals_within=30.0, settles_within=30.0
)  # fmt: skip
