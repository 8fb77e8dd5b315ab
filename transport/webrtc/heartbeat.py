"""The data channel `lifebuddy`: pings, and what the listener's player says in its pongs."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

LABEL: Final = "lifebuddy"
LARGEST: Final = 1024
"""Bytes of a message; larger ones are dropped."""
OUTSTANDING: Final = 16
"""Pings whose pongs are waited for; the oldest is given up."""
PATIENCE: Final = 200
"""Messages dropped, after which the channel is not listened to any more."""
BACKLOG: Final = 4096
"""Bytes that wait to be sent, beyond which no ping is added."""
MOST: Final = 48_000
SAMPLES_OF_A_MILLISECOND: Final = 48


class Pong(msgspec.Struct, tag_field="t", tag="pong", frozen=True):
    """`rtp`: RTP time of what is being played; `out_ms`: how much later it is heard; frames made up and packets lost."""

    n: int
    rtp: Annotated[int, Meta(ge=0, lt=1 << 32)] | None = None
    out_ms: Annotated[float, Meta(ge=0, le=2000)] | None = None
    concealed: float | None = None
    lost: float | None = None


class Heartbeat:
    """One peer's. Only the answer to a ping of ours is believed, and once: what is sent unasked changes nothing.

    `says` is told the RTP time and the seconds until it is heard, and answers whether that can be.
    """

    def __init__(self, says: Callable[[int, float], bool], counts: Counter[str], now: Callable[[], float]) -> None:
        self.alive_at = 0.0
        """When the last pong came."""
        self.last: Pong | None = None
        self.round_trip: float | None = None
        """Seconds, of the last pong."""
        self._says = says
        self._counts = counts
        self._now = now
        self._channel: Any = None
        self._pings: dict[int, float] = {}
        self._n = 0
        self._dropped = 0

    @property
    def flooded(self) -> bool:
        """Nobody listens to the channel any more."""
        return self._dropped >= PATIENCE

    def opened(self, channel: Any) -> None:
        """The client opens it in its offer. Any other one, and a second of this name, is closed."""
        if channel.label != LABEL or self._channel is not None:
            self._counts["channel_refused"] += 1
            channel.close()
            return
        self._channel = channel
        channel.on("message", self.message)
        self.ping()

    def ping(self) -> None:
        """Without waiting; not while the earlier ones can't be sent."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > BACKLOG:
            return
        self._n += 1
        self._pings[self._n] = self._now()
        if len(self._pings) > OUTSTANDING:
            del self._pings[next(iter(self._pings))]
        channel.send(f'{{"t":"ping","n":{self._n}}}')

    def message(self, message: str | bytes) -> None:
        """What the client sent: a pong, or something to drop and count."""
        if self.flooded:
            self._counts["channel_ignored"] += 1
            return
        pong = _read(message)
        sent = None if pong is None else self._pings.pop(pong.n, None)
        if pong is None or sent is None:
            self._dropped += 1
            self._counts["channel_dropped"] += 1
            return
        self._pong(pong, sent)

    def _pong(self, pong: Pong, sent: float) -> None:
        self.alive_at = self._now()
        self.round_trip = self.alive_at - sent
        before, self.last = self.last or Pong(0), pong
        self._counts["player_lost"] += _more(before.lost, pong.lost)
        self._counts["player_concealed_ms"] += _more(before.concealed, pong.concealed) // SAMPLES_OF_A_MILLISECOND
        if pong.rtp is not None and not self._says(pong.rtp, (pong.out_ms or 0.0) / 1000):
            self._counts["pong_lies"] += 1


def _more(before: float | None, now: float | None) -> int:
    """What a player's count has grown by; nobody's word makes the node's more than a second at a time."""
    return int(min(max((now or 0) - (before or 0), 0), MOST))


def _read(message: str | bytes) -> Pong | None:
    if len(message) > LARGEST:
        return None
    try:
        return msgspec.json.decode(message, type=Pong)
    except (msgspec.DecodeError, UnicodeError):  # ValidationError is one; lone surrogates can't be encoded
        return None
