"""The baseline of calls: aiortc as shipped, with the same fixed times and nothing else: no turns, no log, no models.

It waits for silence, sleeps as long as the models would take, and plays its answer as PCM frames. Arguments: anything
(ours has a directory there), the port to listen on. POST /v1/calls takes an SDP.
"""

import asyncio
import fractions
import sys
import time
from http import HTTPStatus

import uvloop
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from scripts.benchmarks.contenders.script import FIRST_SOUND, FIRST_TOKEN, RATE, SENTENCES, WAITS, sentence
from scripts.benchmarks.contenders.serving import serve
from scripts.calling.sound import is_loud
from transport.webrtc.seams.host_addresses import loopback_only

STEP = RATE // 50
ANSWER = b"".join(piece for _ in SENTENCES for piece in sentence())


class Voice(MediaStreamTrack):
    """A frame each 20 ms, of the answer or of silence."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""
        self._began = time.monotonic()
        self._sent = 0

    def say(self, pcm: bytes) -> None:
        self._rest = pcm

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._began + self._sent / 50 - time.monotonic()))
        frame = AudioFrame(format="s16", layout="mono", samples=STEP)
        frame.planes[0].update(self._rest[: 2 * STEP].ljust(2 * STEP, b"\0"))
        self._rest = self._rest[2 * STEP :]
        frame.pts, frame.sample_rate, frame.time_base = self._sent * STEP, RATE, fractions.Fraction(1, RATE)
        self._sent += 1
        return frame


class Coach:
    """One call."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer.on("track", self._on_track)
        self._voice = Voice()
        self._listening: asyncio.Task[None] | None = None

    async def answer(self, sdp: str) -> str:
        await self.peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        self.peer.addTrack(self._voice)
        await self.peer.setLocalDescription(await self.peer.createAnswer())
        return str(self.peer.localDescription.sdp)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.create_task(self._listen(track), name="listen")

    async def _listen(self, track: MediaStreamTrack) -> None:
        """Falls silent when somebody speaks, and answers when they have spoken."""
        silent, answered = 0.0, True
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            loud = isinstance(frame, AudioFrame) and is_loud(bytes(frame.planes[0])[: 4 * frame.samples])
            silent, answered = (0.0, False) if loud else (silent + 0.02, answered)
            if loud:
                self._voice.say(b"")
            elif silent >= WAITS and not answered:
                answered = True
                asyncio.get_running_loop().call_later(FIRST_TOKEN + FIRST_SOUND, self._voice.say, ANSWER)


async def main(port: str) -> None:
    coaches: list[Coach] = []

    async def offer(request: web.Request) -> web.Response:
        coaches.append(Coach())
        sdp = await coaches[-1].answer((await request.json())["sdp"])
        return web.json_response({"call_id": str(len(coaches)), "sdp": sdp}, status=HTTPStatus.CREATED)

    app = web.Application()
    app.router.add_post("/v1/calls", offer)
    with loopback_only():
        await serve(app, int(port))


uvloop.run(main(sys.argv[2]))
