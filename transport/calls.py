"""Calls as they are configured: who hears, who speaks, and the peer connections between."""

import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from actors.runtime.envelope import Overloaded
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from actors.voice.figures import Figures
from actors.voice.messages import Around
from actors.voice.timings import Timings
from transport.load import Lateness
from transport.providers.speech import Speech
from transport.tracing import Traces
from transport.webrtc.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Calls:
    """`around` is what a call that begins now has around it; None where nobody hears or nobody speaks.

    `live` is how many peer connections are open, `counts` what was dropped or came late in them, by kind; `figures` are of
    the calls themselves, `longest` the seconds that one may last.
    """

    around: Callable[[], Around] | None = None
    ice_servers: Callable[[str], Sequence[Mapping[str, Any]]] | None = None
    live: Callable[[], int] = lambda: 0
    counts: Mapping[str, int] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    longest: float = 0.0


class Admission:
    """One more call is refused where those there are would suffer from it; alone it harms nobody."""

    def __init__(self, live: Callable[[], int], lateness: Callable[[], float], most_late: float) -> None:
        self._live, self._lateness, self._most_late = live, lateness, most_late

    def __call__(self) -> None:
        if self._live() and self._lateness() > self._most_late:
            raise Overloaded(retry_after_ms=5000)


def timed(wanted: Wanted) -> Timings:
    """What of a call's times is for whoever runs it to say."""
    return Timings(
        longest=wanted.calls_longest_seconds,
        away=wanted.calls_away_seconds,
        leaving=wanted.calls_leaving_seconds,
        tool=wanted.calls_working_seconds,
        thought=wanted.calls_thinking_seconds,
        caption=wanted.caption_seconds or math.inf,
    )


@asynccontextmanager
async def opened(wanted: Wanted, speech: Speech, report: Report, traces: Traces) -> AsyncIterator[Calls]:
    transcriber, speaker = speech.transcriber, speech.speaker
    if transcriber is None or speaker is None:
        yield Calls()
        return
    from transport.webrtc.opened import opened as peers_opened  # noqa: PLC0415 - half a second that only calls cost

    figures, lateness = Figures(), Lateness()
    timings = timed(wanted)
    watching = owned(lateness.watch(), "calls.lateness", report)
    async with watching, peers_opened(wanted, report) as peers:
        admit = Admission(peers.__len__, lambda: lateness.p99, wanted.calls_lag_seconds)

        def around() -> Around:
            ears = speech.detector, speech.judge, transcriber
            return Around(peers, *ears, speaker, timings, figures, admit, traces.root)

        yield Calls(around, peers.ice_servers, peers.__len__, peers.counts, figures, timings.longest)
