"""What the settings say of peer connections: read without what it takes to make one."""

from ipaddress import IPv4Address
from typing import Protocol


class Secret(Protocol):
    def get_secret_value(self) -> str: ...


class Wanted(Protocol):
    """What the settings say of calls, under the settings' names."""

    calls_per_node: int
    calls_lag_seconds: float
    calls_longest_seconds: float
    calls_away_seconds: float
    calls_leaving_seconds: float
    calls_working_seconds: float
    calls_thinking_seconds: float
    caption_seconds: float
    calls_address: IPv4Address | None
    calls_stun: tuple[str, ...]
    calls_turn: tuple[str, ...]
    calls_turn_seconds: float

    @property
    def calls_turn_secret(self) -> Secret | None: ...

    @property
    def calls_stay_here(self) -> bool:
        """Whether only programs of this machine call."""
