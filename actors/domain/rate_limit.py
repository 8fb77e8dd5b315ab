"""The generic cell rate algorithm (ITU-T I.371): a rate with a burst, kept in one number."""

import math

import msgspec

from actors.domain.refusals import RateLimited

_ROUNDING = 1e-6


class Limit(msgspec.Struct, frozen=True):
    """`rate` per second in the long run, `burst` at once. `name` is what those who meet it are told."""

    rate: float
    burst: int
    name: str = ""

    def scaled(self, by: float) -> "Limit":
        """So many times as generous; one at a time is always let through."""
        return Limit(self.rate * by, max(1, round(self.burst * by)), self.name)

    @property
    def interval(self) -> float:
        """Seconds between two in the long run."""
        return 1.0 / self.rate

    @property
    def policy(self) -> str:
        """As `RateLimit-Policy` says it: so many (`q`) in so many seconds (`w`)."""
        return f'"{self.name}";q={self.burst};w={math.ceil(self.burst / self.rate)}'


CHAT_SEND = Limit(0.5, 20, "chat.send")
REPLIES = Limit(20 / 60, 20, "replies")
"""Of the coach; what is too early is made later."""
OFFERS = Limit(6 / 60, 6, "call.offer")
PRESENCES = Limit(1.0, 60, "presence.show")
"""Questions who is there, by either door; each may be for a thousand people."""
FULL = -math.inf
"""The state of a limit nothing has been taken from yet."""


def wait(limit: Limit, due: float, now: float) -> float:
    """Seconds until one may be taken; 0 when it may now."""
    early = max(due, now) - now - (limit.burst - 1) * limit.interval
    return early if early > _ROUNDING else 0.0


def taken(limit: Limit, due: float, now: float) -> float:
    """Take one at `now` (seconds of any steady clock); answers the new state, the time the next would be due.

    Raises RateLimited, saying when to come again; a refusal leaves the state as it was.
    """
    early = wait(limit, due, now)
    if early:
        raise RateLimited(retry_after_ms=math.ceil(early * 1000), policies=(limit.policy,))
    return max(due, now) + limit.interval
