"""A circuit breaker without I/O: after failures in a row nobody waits for a provider, until one trial has gone well.

Not purgatory's: that one reads the wall clock, lets every caller through while it is half open, and takes the end of
a stream that its listener closed for a failure.
"""

from collections.abc import Mapping
from typing import Final, Literal

State = Literal["closed", "half_open", "open"]
LEVELS: Final[Mapping[State, int]] = {"closed": 0, "half_open": 1, "open": 2}
"""As a metric has them."""

THRESHOLD: Final = 3
"""Failures in a row that open it."""
REST: Final = 10.0
"""Seconds until the first trial; after each trial that fails twice as many."""
LONGEST: Final = 120.0


class Breaker:
    """Times are seconds of any steady clock. Each call that was admitted is followed by one word on how it went."""

    def __init__(self, *, threshold: int = THRESHOLD, rest: float = REST, longest: float = LONGEST) -> None:
        self._threshold = threshold
        self._first_rest = self._rest = rest
        self._longest = longest
        self._failures = 0
        self._until: float | None = None
        self._trying = False

    def state(self, now: float) -> State:
        if self._until is None:
            return "closed"
        return "half_open" if self._trying or now >= self._until else "open"

    def wait(self, now: float) -> float:
        """Seconds until the next trial may be made."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def admit(self, now: float) -> bool:
        """Whether a call may be made; of many that come while it is half open, one."""
        if self._until is None:
            return True
        if self._trying or now < self._until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        self._failures, self._rest = 0, self._first_rest
        self._until, self._trying = None, False

    def failed(self, now: float, *, rest: float = 0.0) -> None:
        """`rest`: the seconds for which the provider itself wants to be left alone."""
        self._failures += 1
        if self._until is not None and not self._trying:
            return  # a call from before it opened
        if self._trying:
            self._rest = min(2 * self._rest, self._longest)
        if self._trying or self._failures >= self._threshold:
            self._until, self._trying = now + min(max(self._rest, rest), self._longest), False

    def left(self) -> None:
        """The call has ended without a word on the provider, such as by being stopped."""
        self._trying = False
