"""What a door needs to reach a session, and how it tells of a crash without repeating what was sent."""

from collections.abc import Awaitable, Callable
from pathlib import PurePath
from traceback import walk_tb
from typing import Annotated, Any, Protocol

from msgspec import Meta

from actors.runtime.tracing import Trace
from transport.tokens import Identity


class Session(Protocol):
    """A reference to a user's session actor, wherever it lives."""

    def tell(self, message: Any) -> None: ...

    async def ask(self, message: Any, *, timeout: float, trace: Trace | None = None) -> Any:  # noqa: ASYNC109 - the limit travels with the message
        """Send and wait at most `timeout` seconds. Raises what the actor refused with, or TimedOut."""


class Sessions(Protocol):
    """The directory: user → session."""

    def session(self, user_id: str) -> Session: ...


DeviceId = Annotated[str, Meta(min_length=1, max_length=100)]
"""What an app calls the device it runs on."""
Identify = Callable[[str], Awaitable[Identity]]
"""From an access token to who sent it. Raises Unauthenticated, or Revoked when its login session has ended."""


def crash_site(error: BaseException) -> dict[str, str]:
    """The type of an error and the innermost line it came from; its message may hold what a person wrote."""
    frames = [f"{PurePath(frame.f_code.co_filename).name}:{line}" for frame, line in walk_tb(error.__traceback__)]
    return {"error": type(error).__name__, "where": " < ".join(reversed(frames[-4:]))}
