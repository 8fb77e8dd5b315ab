"""What a call needs from outside: peer connections, and the models that hear and speak.

Sound is PCM, 16 bits little endian, one channel: heard at 16 kHz, spoken at 24 kHz.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

HEARD_RATE: Final = 16_000
SPOKEN_RATE: Final = 24_000
WINDOW: Final = 512
"""Samples a speech detector judges at once: 32 ms."""
FRAME: Final = 0.02
"""Seconds of one frame of either voice."""

# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────


class SpeechFailed(Exception):  # noqa: N818 - one of the ordinary ends of hearing and speaking
    """A model that hears or speaks gave nothing that can be used.

    `code`: speech.timeout, speech.cut (the stream broke off), speech.limited (429), speech.error (5xx, or a key that is
    not taken), speech.refused (any other 4xx), speech.unreachable, speech.garbage (an answer nobody can read),
    speech.loading (a local model is being fetched or loaded), speech.missing (there is none).
    """

    def __init__(self, code: str, *, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class Transcript(msgspec.Struct, frozen=True):
    """What was said, "" when nothing was; `language` as the model took it to be (ISO 639-1)."""

    text: str
    language: str | None = None


class Transcriber(Protocol):
    @property
    def name(self) -> str: ...

    async def transcribe(self, pcm: bytes, *, language: str | None = None, interim: bool = False) -> Transcript:
        """The words of a stretch of speech at 16 kHz, at most 30 s. `interim` may be cheaper and worse.

        Raises SpeechFailed. Deadline, retry, fallback and breaker are the adapter's; cancelling ends the request.
        """


class Word(msgspec.Struct, frozen=True):
    """`start` and `end` in seconds from the beginning of its sentence's sound."""

    text: str
    start: float
    end: float


class Sound(msgspec.Struct, frozen=True):
    """The next piece of a sentence's sound at 24 kHz, and the words in it whose times the model tells."""

    pcm: bytes
    words: tuple[Word, ...] = ()


class Speaker(Protocol):
    @property
    def name(self) -> str: ...

    def speak(self, text: str, *, language: str) -> AsyncGenerator[Sound, None]:
        """Stream the sound of one sentence as it is made. Raises SpeechFailed; closing the iterator ends the request."""


class SpeechStream(Protocol):
    """The speech detector's memory of one call."""

    async def probability(self, window: bytes) -> float:
        """How likely the next 512 samples at 16 kHz hold speech, 0 to 1. In order, one at a time."""

    def close(self) -> None: ...


class SpeechDetector(Protocol):
    def stream(self) -> SpeechStream: ...


class TurnJudge(Protocol):
    async def finished(self, pcm: bytes) -> float:
        """How likely whoever spoke these last seconds (16 kHz, at most 8 s, the newest at the end) has finished, 0 to 1."""


# ── peer connections ─────────────────────────────────────────────────────────────────────────────────────────────


class Progress(msgspec.Struct, frozen=True):
    """How far a voice has come, in frames since it began: given, sent, and heard by the listener.

    None of them but `queued`, after a cut, ever becomes less: going back and saying frames again changes nothing here.
    `confirmed`: the listener's own player says so; else what was heard is estimated from what was sent.
    """

    queued: int
    sent: int
    heard: int
    confirmed: bool


class Voice(Protocol):
    """The coach's voice in one call, as encoded frames of 20 ms; it outlives the peer connections it is sent over.

    Frames are numbered from 0 in the order they are given. Frames not heard yet are kept, so that it can go back.
    """

    def play(self, pcm: bytes) -> int:
        """Give sound at 24 kHz; answers how many frames were given in all. What fills no frame waits for more.

        Raises Overloaded beyond 60 s that were not sent.
        """

    def end_phrase(self) -> int:
        """What waits becomes a frame, filled up with silence; answers how many frames were given in all."""

    def pause(self) -> None:
        """Fall silent after the frame in hand; what was given stays."""

    def resume(self, frame: int) -> None:
        """Go on from that frame, which may have been sent before."""

    def cut(self) -> None:
        """Fall silent, and drop whatever was given and not sent: the next frame takes the number of the first dropped one."""

    def progress(self) -> Progress: ...


PeerState = Literal["connected", "silent", "heard", "closed"]
"""`silent`: neither sound nor pongs for 1.5 s; `heard`: there they are again; `closed`: for good."""


class Heard(msgspec.Struct, frozen=True):
    """A packet's worth of the user's voice at 16 kHz, mostly 20 ms, and the loop's time when it came.

    `concealed`: it was lost and is made up.
    """

    pcm: bytes
    at: float
    concealed: bool = False


class Peer(Protocol):
    """One peer connection. At most one is open in a call."""

    @property
    def sdp(self) -> str:
        """The answer."""

    async def hear(self) -> Sequence[Heard]:
        """What has come since, at least one packet's worth: waits for it. At most 1 s is held, the oldest dropped and counted.

        Raises EOFError once the connection has closed.
        """

    async def add_candidate(self, candidate: str | None, sdp_mid: str | None, sdp_mline_index: int | None) -> None:
        """None: there are no more. Raises Refused (`call.candidate`)."""

    def ask_heard(self) -> None:
        """Ask the listener's player at once how far it is."""

    async def close(self) -> None:
        """Bounded, and harmless when it is closed."""


class Peers(Protocol):
    """Where a node's peer connections come from."""

    def voice(self) -> Voice: ...

    async def answer(self, sdp: str, voice: Voice, on_state: Callable[[PeerState], None]) -> Peer:
        """Accept an offer; the voice is sent over this connection from now on, and over no other.

        `on_state` is called in the loop and must not wait. Raises Refused: `call.sdp` (malformed, too large, without
        audio), `overloaded`.
        """

    def ice_servers(self, user_id: str) -> Sequence[Mapping[str, Any]]:
        """`RTCIceServer` dictionaries for a browser, with credentials that are good for some hours."""
