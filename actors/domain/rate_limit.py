"""The generic cell rate algorithm (ITU-T I.371): a rate with a burst, kept in one number."""

import math

import msgspec

from actors.domain.refusals import RateLimited

_ROUNDING = 1e-6


class Limit(msgspec.Struct, frozen=True):
    """`rate` per second in the long run, `burst` at once."""

    rate: float
    burst: int

    def scaled(self, by: float) -> "Limit":
        """So many times as generous; one at a time is always let through."""
        return Limit(self.rate * by, max(1, round(self.burst * by)))


CHAT_SEND = Limit(0.5, 20)
FULL = -math.inf
"""The state of a limit nothing has been taken from yet."""


def taken(limit: Limit, due: float, now: float) -> float:
    """Take one at `now` (seconds of any steady clock); answers the new state, the time the next would be due.

    Raises RateLimited, saying when to come again; a refusal leaves the state as it was.
    """
    interval = 1.0 / limit.rate
    early = max(due, now) - now - (limit.burst - 1) * interval
    if early > _ROUNDING:
        raise RateLimited(retry_after_ms=math.ceil(early * 1000))
    return max(due, now) + interval
