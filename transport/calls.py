"""Calls as they are configured: who hears, who speaks, and the peer connections between."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from actors.runtime.outside import Report
from actors.voice.messages import Around
from transport.providers.speech import Speech
from transport.webrtc.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Calls:
    """`around` is None where nobody hears or nobody speaks: no calls are made then.

    `live` is how many peer connections are open, `counts` what was dropped or came late in them, by kind.
    """

    around: Around | None = None
    live: Callable[[], int] = lambda: 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def ice_servers(self) -> Callable[[str], Sequence[Mapping[str, Any]]] | None:
        return None if self.around is None else self.around.peers.ice_servers


@asynccontextmanager
async def opened(wanted: Wanted, speech: Speech, report: Report) -> AsyncIterator[Calls]:
    if speech.transcriber is None or speech.speaker is None:
        yield Calls()
        return
    from transport.webrtc.opened import opened as peers_opened  # noqa: PLC0415 - half a second that only calls cost

    async with peers_opened(wanted, report) as peers:
        around = Around(peers, None, None, speech.transcriber, speech.speaker)
        yield Calls(around, peers.__len__, peers.counts)
