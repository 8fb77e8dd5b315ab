"""A process that takes calls, ours or stock aiortc echoing what it hears; told what to do by lines of JSON, and answers so.

Argument: `ours` or `stock`. Lines: {"offer": SDP} → {"call", "sdp", "ms"}; {"end": call}; {"left": true} → what is there.
"""

import asyncio
import contextlib
import gc
import json
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import uvloop
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from actors.media import SPOKEN_RATE
from scripts.benchmarks.measure import cpu_seconds, resident_bytes
from transport.webrtc.ice_servers import IceServers
from transport.webrtc.peers import Network, RtcPeers
from transport.webrtc.seams.host_addresses import loopback_only

AHEAD = 100  # frames
SPEECH = b"".join(
    int(6000 * ((n * (200 + n % 7) % SPOKEN_RATE) / SPOKEN_RATE - 0.5)).to_bytes(2, "little", signed=True)
    for n in range(SPOKEN_RATE)
)
"""A second of something harsh, so that the encoder has work."""
End = Callable[[], Awaitable[None]]


class Callee(Protocol):
    async def answer(self, sdp: str) -> tuple[str, End]:
        """The answer, and how to hang up."""


class Ours:
    def __init__(self) -> None:
        network = Network(IceServers((), (), "", 0, time.time), loopback=True)
        self._peers = RtcPeers(network, 1000, lambda event, fields: print(event, fields, file=sys.stderr))

    async def answer(self, sdp: str) -> tuple[str, End]:
        voice = self._peers.voice()
        peer = await self._peers.answer(sdp, voice, lambda _: None)
        tasks = [asyncio.create_task(hear(peer), name="hear"), asyncio.create_task(speak(voice), name="speak")]

        async def end() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await peer.close()

        return peer.sdp, end


async def hear(peer: Any) -> None:
    with contextlib.suppress(EOFError):
        while True:
            await peer.hear()


async def speak(voice: Any) -> None:
    """Without end, a little ahead."""
    while True:
        progress = voice.progress()
        if progress.queued - progress.sent < AHEAD:
            voice.play(SPEECH)
        await asyncio.sleep(0.5)


class Stock:
    async def answer(self, sdp: str) -> tuple[str, End]:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))

        def echo(track: MediaStreamTrack) -> None:
            pc.addTrack(track)

        pc.on("track", echo)
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return pc.localDescription.sdp, pc.close


def left() -> dict[str, float]:
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "resident": resident_bytes(os.getpid()),
        "cpu": cpu_seconds(os.getpid()),
        "at": time.monotonic(),
    }


async def main(callee: Callee) -> None:
    loop, lines, calls = asyncio.get_running_loop(), asyncio.StreamReader(limit=1 << 20), dict[int, End]()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    number = 0
    while line := await lines.readline():
        told = json.loads(line)
        answer: dict[str, Any] = {}
        if "offer" in told:
            number += 1
            began = time.perf_counter()
            sdp, calls[number] = await callee.answer(told["offer"])
            answer = {"call": number, "sdp": sdp, "ms": (time.perf_counter() - began) * 1000}
        elif "end" in told:
            await calls.pop(told["end"])()
        else:
            answer = left()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    with loopback_only():
        uvloop.run(main(Ours() if sys.argv[1] == "ours" else Stock()))
