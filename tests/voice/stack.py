"""Everything a call needs, scripted, in virtual time: a peer that hears and is heard, the models, and a session."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.media import FRAME, HEARD_RATE, SPOKEN_RATE, Peer, PeerState, Progress, Sound, SpeechFailed, Transcript
from actors.media import Heard as Frame
from actors.runtime.envelope import Overloaded
from actors.voice.call import Call
from actors.voice.messages import Around, Ended, Heard, Offered, ReplyEnded, ReplySaid
from actors.voice.timings import Timings
from actors.voice.traced import Begin

SAMPLES = int(FRAME * SPOKEN_RATE)
LOUD = (6_000).to_bytes(2, "little", signed=True) * int(FRAME * HEARD_RATE)
SILENT = bytes(len(LOUD))
SYLLABLE = 0.2


def now() -> float:
    return asyncio.get_running_loop().time()


class ScriptedVoice:
    """Sends a frame each 20 ms while there is a peer; what was sent is heard `lag` frames later."""

    def __init__(self, lag: int = 3) -> None:
        self.confirmed = True
        self.connected = False
        self.stuck = False
        self.log: list[tuple[str, int]] = []
        self.sent_at: list[tuple[float, int]] = []
        """Each frame that went out, and when."""
        self._lag = lag
        self._queued = self._sent = self._next = self._heard = self._rest = 0
        self._on_its_way: deque[int] = deque()
        self._paused = False
        self._at = now()

    def _run(self) -> None:
        """What has happened since it was last looked at."""
        for _ in range(int((now() - self._at) / FRAME + 1e-6)):
            self._at += FRAME
            sends = self.connected and not self._paused and not self.stuck and self._next < self._queued
            self._on_its_way.append(self._next if sends else -1)
            if sends:
                self.sent_at.append((self._at, self._next))
                self._next += 1
                self._sent = max(self._sent, self._next)
            if len(self._on_its_way) > self._lag:
                self._heard = max(self._heard, self._on_its_way.popleft() + 1 if self.connected else 0)

    def play(self, pcm: bytes) -> int:
        self._run()
        if self._queued - self._sent + len(pcm) // 2 // SAMPLES > 60 / FRAME:
            raise Overloaded
        self._rest += len(pcm) // 2
        self._queued += self._rest // SAMPLES
        self._rest %= SAMPLES
        return self._queued

    def end_phrase(self) -> int:
        self._run()
        self._queued += self._rest > 0
        self._rest = 0
        return self._queued

    def pause(self) -> None:
        self._run()
        self._paused = True
        self.log.append(("pause", self._sent))

    def resume(self, frame: int) -> None:
        self._run()
        self._paused = False
        self._next = min(frame, self._sent)
        self.log.append(("resume", frame))

    def cut(self) -> None:
        self._run()
        self._paused = False
        self._queued = self._next = self._sent
        self._rest = 0
        self.log.append(("cut", self._sent))

    def progress(self) -> Progress:
        self._run()
        return Progress(self._queued, self._sent, self._heard, self.confirmed)


class ScriptedPeer:
    """What the user says reaches `hear` frame by frame, in time."""

    sdp = "answer"

    def __init__(self, voice: ScriptedVoice, on_state: Callable[[PeerState], None]) -> None:
        self.on_state = on_state
        self.asked = 0
        self.loud_at: list[float] = []
        self._voice = voice
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue()
        self.candidates: list[str | None] = []
        self.closed = False
        self.closes_in = 0.0

    def connect(self) -> None:
        self._voice.connected = True
        self.on_state("connected")

    def vanish(self) -> None:
        self._voice.connected = False
        self.on_state("silent")

    async def hear(self) -> Sequence[Frame]:
        frame = await self._frames.get()
        if frame is None:
            raise EOFError
        return [frame]

    async def sound(self, pcm: bytes, seconds: float) -> None:
        """Send it, frame by frame, for so long."""
        if pcm == LOUD:
            self.loud_at.append(now())
        for _ in range(round(seconds / FRAME)):
            self._frames.put_nowait(Frame(pcm, now()))
            await asyncio.sleep(FRAME)

    async def add_candidate(self, candidate: str | None, sdp_mid: str | None, sdp_mline_index: int | None) -> None:
        self.candidates.append(candidate)

    def ask_heard(self) -> None:
        self.asked += 1

    async def close(self) -> None:
        await asyncio.sleep(self.closes_in)
        if not self.closed:
            self.closed = True
            self._frames.put_nowait(None)
            self.on_state("closed")


class ScriptedPeers:
    def __init__(self) -> None:
        self.made: list[ScriptedPeer] = []
        self.refuses: list[Exception] = []
        self.takes = 0.02
        self.voices: list[ScriptedVoice] = []

    def voice(self) -> ScriptedVoice:
        self.voices.append(ScriptedVoice())
        return self.voices[-1]

    async def answer(self, sdp: str, voice: Any, on_state: Callable[[PeerState], None]) -> Peer:
        await asyncio.sleep(self.takes)
        if self.refuses:
            raise self.refuses.pop(0)
        self.made.append(ScriptedPeer(voice, on_state))
        return self.made[-1]

    def ice_servers(self, user_id: str) -> Sequence[Mapping[str, Any]]:
        return []


class ScriptedDetector:
    """Loud is speech."""

    breaks = False
    takes = 0.0

    def stream(self) -> "ScriptedDetector":
        return self

    async def probability(self, window: bytes) -> float:
        if self.breaks:
            raise ZeroDivisionError
        await asyncio.sleep(self.takes)
        return float(max(memoryview(window).cast("h")) > 1_000)

    def close(self) -> None: ...


class ScriptedJudge:
    """Says how likely it is that a turn is over; a number above 1 is how long it takes, an exception is raised."""

    def __init__(self) -> None:
        self.says: Any = 1.0
        self.heard: list[int] = []

    async def finished(self, pcm: bytes) -> float:
        self.heard.append(len(pcm))
        await asyncio.sleep(0.05)
        if isinstance(self.says, Exception):
            raise self.says
        if self.says > 1:
            await asyncio.sleep(self.says)
        return float(self.says)


@dataclass
class ScriptedTranscriber:
    """Hears what the script says next, in turn; the last thing for ever. An exception is raised instead."""

    texts: list[str | Exception]
    takes: float = 0.2
    name: str = "scripted"
    asked: list[int] = field(default_factory=list)
    interim: int = 0
    """How many of them were words so far."""

    async def transcribe(self, pcm: bytes, *, language: str | None = None, interim: bool = False) -> Transcript:
        self.asked.append(len(pcm))
        self.interim += interim
        await asyncio.sleep(self.takes)
        text = self.texts[0] if interim or len(self.texts) == 1 else self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        return Transcript(text)


@dataclass
class ScriptedSpeaker:
    """A fifth of a second for each word, in pieces of 100 ms; the first after `first`."""

    first: float = 0.15
    fails: list[str] = field(default_factory=list)
    piece: float = 0.1
    name: str = "scripted"
    asked: list[str] = field(default_factory=list)

    async def speak(self, text: str, *, language: str) -> AsyncGenerator[Sound, None]:
        self.asked.append(text)
        await asyncio.sleep(self.first)
        if self.fails:
            raise SpeechFailed(self.fails.pop(0))
        for _ in range(2 * len(text.split())):
            yield Sound(b"\x00\x20" * int(SPOKEN_RATE * self.piece))
            await asyncio.sleep(0.01)


class ScriptedHost:
    """A session that answers what is said by `answer`, which tells the call what it says."""

    def __init__(self, answer: Callable[["ScriptedHost", str, str], Awaitable[None]]) -> None:
        self.call: Call
        self.said: list[str] = []
        self.cids: list[str] = []
        self.finished: list[tuple[str, Heard | None]] = []
        self.signals: list[tuple[float, str, Mapping[str, Any]]] = []
        self.refusals: list[Exception] = []
        self._answer = answer
        self.busy: set[asyncio.Task[None]] = set()

    async def say(self, text: str, cid: str) -> str:
        self.cids.append(cid)
        await asyncio.sleep(0.01)
        if self.refusals:
            raise self.refusals.pop(0)
        self.said.append(text)
        reply_id = f"reply-{len(self.said)}"
        task = asyncio.ensure_future(self._answer(self, reply_id, text))
        self.busy.add(task)
        task.add_done_callback(self.busy.discard)
        return reply_id

    async def finish(self, reply_id: str, heard: Heard | None) -> None:
        self.finished.append((reply_id, heard))

    def signal(self, type: str, data: Mapping[str, Any]) -> None:  # noqa: A002 - as in the port
        self.signals.append((now(), type, data))

    def states(self) -> list[str]:
        return [data["state"] for _, kind, data in self.signals if kind == "call.state"]

    def captions(self, side: str, *, final: bool = True) -> list[str]:
        return [
            data["text"]
            for _, kind, data in self.signals
            if kind == "caption" and data["side"] == side and data["final"] == final
        ]

    async def reply(self, reply_id: str, text: str, *, after: float = 0.3, pace: float = 0.02) -> None:
        """Say the text word by word."""
        await asyncio.sleep(after)
        for word in text.split(" "):
            self.call.tell(ReplySaid(reply_id, word + " "))
            await asyncio.sleep(pace)
        self.call.tell(ReplyEnded(reply_id, "complete"))


class Stage:
    """A call with everything scripted around it, and its user."""

    def __init__(
        self,
        host: ScriptedHost,
        transcriber: ScriptedTranscriber,
        speaker: ScriptedSpeaker | None = None,
        timings: Timings | None = None,
        begin_trace: Begin = lambda _: None,
    ) -> None:
        self.host = host
        self.ended = Ended("")
        self.spoken_until = 0.0
        self.peers = ScriptedPeers()
        self.transcriber = transcriber
        self.speaker = speaker or ScriptedSpeaker()
        self.detector, self.judge = ScriptedDetector(), ScriptedJudge()
        models = self.detector, self.judge, transcriber, self.speaker
        around = Around(self.peers, *models, timings or Timings(), begin_trace=begin_trace)
        self.call = host.call = Call("call-1", host, around, language="en")

    @property
    def peer(self) -> ScriptedPeer:
        return self.peers.made[-1]

    @property
    def loud_at(self) -> list[float]:
        """When the user began to make a sound."""
        return self.peer.loud_at

    @property
    def voice(self) -> ScriptedVoice:
        return self.peers.voices[0]

    async def offer(self) -> str:
        reply: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.call.tell(Offered("offer", reply))
        answer = await reply
        self.peer.connect()
        return answer

    async def speak(self, seconds: float = 1.0, silence: float = 1.2) -> None:
        await self.peer.sound(LOUD, seconds)
        self.spoken_until = now()
        await self.peer.sound(SILENT, silence)
