"""Rows `answer` and `call-cpu`: how soon an offer has its answer, and what a call costs, beside stock aiortc."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from functools import partial
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import Packet

from scripts.benchmarks.measure import median, take_turns
from scripts.benchmarks.rows import Budget, Row
from scripts.benchmarks.setting import Setting
from scripts.benchmarks.venv import ROOT, ProgramFailedError
from transport.webrtc.opus import Encoder
from transport.webrtc.seams.host_addresses import loopback_only

CALLS = 4
SETTLES, SECONDS = 1.5, 8.0
ANSWERS = 30


class Callee:
    """The other process, asked one thing at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, **what: Any) -> dict[str, Any]:
        """Raises ProgramFailedError when it has ended."""
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("both are pipes")
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise ProgramFailedError("the process that takes calls has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def callee(kind: str) -> AsyncIterator[Callee]:
    pipe = asyncio.subprocess.PIPE
    argv = (sys.executable, "-m", "scripts.benchmarks.contenders.callee", kind)
    process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, cwd=ROOT, limit=1 << 20)
    try:
        yield Callee(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


class Packets(MediaStreamTrack):
    """What a person says, encoded once."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        encoder = Encoder()
        frame = b"".join((n * 997 % 9000 - 4500).to_bytes(2, "little", signed=True) for n in range(encoder.samples))
        self._packets = [encoder.encode(frame[n * 2 :] + frame[: n * 2]) for n in range(50)]
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> "Packet[Any]":
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(self._began + self._sent * 0.02 - loop.time())
        packet: Packet[Any] = Packet(self._packets[self._sent % 50])
        packet.pts, packet.time_base = self._sent * 960, Fraction(1, 48_000)
        self._sent += 1
        return packet


def caller() -> RTCPeerConnection:
    """It takes what it is sent and does nothing with it, so that the other process has the machine."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTrack(Packets())
    channel = pc.createDataChannel("lifebuddy", ordered=False, maxRetransmits=0)

    def pong(message: str) -> None:
        channel.send(json.dumps({"t": "pong", "n": json.loads(message)["n"]}))

    async def dropped(packet: Any, arrival_time_ms: int) -> None:  # noqa: ARG001 - as aiortc calls it
        return

    channel.on("message", pong)
    pc.getReceivers()[0]._handle_rtp_packet = dropped  # type: ignore[method-assign]  # noqa: SLF001
    return pc


@asynccontextmanager
async def calling(at: Callee) -> AsyncIterator[float]:
    """A call that is connected; how many milliseconds its answer took."""
    pc, connected = caller(), asyncio.Event()
    pc.on("connectionstatechange", lambda: connected.set() if pc.connectionState == "connected" else None)
    await pc.setLocalDescription(await pc.createOffer())
    answer = await at.ask(offer=pc.localDescription.sdp)
    try:
        await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        async with asyncio.timeout(10):
            await connected.wait()
        yield answer["ms"]
    finally:
        await at.ask(end=answer["call"])
        await pc.close()


async def _answering(kind: str) -> float:
    """Milliseconds from an offer to its answer."""
    took = []
    async with callee(kind) as at:
        for _ in range(ANSWERS):
            async with calling(at) as milliseconds:
                took.append(milliseconds)
    return median(took)


async def _costs(kind: str) -> float:
    """Percent of a core that a call takes, speaking and being spoken to."""
    async with callee(kind) as at, AsyncExitStack() as calls:
        for _ in range(CALLS):
            await calls.enter_async_context(calling(at))
        await asyncio.sleep(SETTLES)
        before = await at.ask(left=True)
        await asyncio.sleep(SECONDS)
        after = await at.ask(left=True)
    return float(100 * (after["cpu"] - before["cpu"]) / (after["at"] - before["at"]) / CALLS)


async def answer(setting: Setting) -> Sequence[Row]:
    with loopback_only():
        told = await take_turns(setting.rounds, {kind: partial(_answering, kind) for kind in ("ours", "stock")})
    return [Row("answer", "an offer has its answer", "ms", Budget(1.5), told["ours"], told["stock"], "stock aiortc")]


async def call_cpu(setting: Setting) -> Sequence[Row]:
    with loopback_only():
        told = await take_turns(setting.rounds, {kind: partial(_costs, kind) for kind in ("ours", "stock")})
    what = f"a call, both ways, {CALLS} at once (CPU)"
    return [Row("call-cpu", what, "% of a core", Budget(0.6), told["ours"], told["stock"], "stock aiortc echoing PCM")]
