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
    """`around` is what a call that begins now has around it; None where nobody hears or nobody speaks.

    `live` is how many peer connections are open, `counts` what was dropped or came late in them, by kind.
    """

    around: Callable[[], Around] | None = None
    ice_servers: Callable[[str], Sequence[Mapping[str, Any]]] | None = None
    live: Callable[[], int] = lambda: 0
    counts: Mapping[str, int] = field(default_factory=dict)


@asynccontextmanager
async def opened(wanted: Wanted, speech: Speech, report: Report) -> AsyncIterator[Calls]:
    transcriber, speaker = speech.transcriber, speech.speaker
    if transcriber is None or speaker is None:
        yield Calls()
        return
    from transport.webrtc.opened import opened as peers_opened  # noqa: PLC0415 - half a second that only calls cost

    async with peers_opened(wanted, report) as peers:

        def around() -> Around:
            return Around(peers, speech.detector, speech.judge, transcriber, speaker)

        yield Calls(around, peers.ice_servers, peers.__len__, peers.counts)
