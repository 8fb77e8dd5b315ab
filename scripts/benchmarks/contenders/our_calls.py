"""Our calls without the house around them: peer connections, turns and playout of one process, before scripted models.

Arguments: the directory of the speech detector, the port to listen on. POST /v1/calls takes an SDP, as the whole server
does.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import uvloop
from aiohttp import web

from actors.media import Sound, Transcript
from actors.runtime.ids import uuid7
from actors.voice.call import Call
from actors.voice.messages import Around, Heard, Offered, ReplyEnded, ReplySaid
from scripts.benchmarks.contenders.script import FIRST_SOUND, FIRST_TOKEN, SENTENCES, TRANSCRIBES, heard_as, sentence
from scripts.benchmarks.contenders.serving import serve
from transport.providers.silero import Silero
from transport.webrtc.ice_servers import IceServers
from transport.webrtc.peers import Network, RtcPeers
from transport.webrtc.seams.host_addresses import loopback_only

MOST: Final = 1000
"""Calls at once: how many are too many is what is measured."""


class Transcriber:
    name = "scripted"

    async def transcribe(self, pcm: bytes, *, language: str | None = None, interim: bool = False) -> Transcript:
        del interim
        await asyncio.sleep(TRANSCRIBES)
        return Transcript(heard_as(len(pcm) / 32_000), language)


class Speaker:
    name = "scripted"

    async def speak(self, text: str, *, language: str) -> AsyncGenerator[Sound, None]:
        del text, language
        await asyncio.sleep(FIRST_SOUND)
        for piece in sentence():
            yield Sound(piece)
            await asyncio.sleep(0)


class Host:
    """A session without a log: what is said is answered at once, and nothing is kept."""

    call: Call

    def __init__(self) -> None:
        self._replies = 0
        self._answering: set[asyncio.Task[None]] = set()

    async def say(self, text: str, cid: str) -> str:
        del text, cid
        self._replies += 1
        task = asyncio.create_task(self._answer(str(self._replies)), name="answer")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        return str(self._replies)

    async def finish(self, reply_id: str, heard: Heard | None) -> None: ...

    def signal(self, type: str, data: Mapping[str, Any]) -> None: ...  # noqa: A002 - as in the port

    async def _answer(self, reply_id: str) -> None:
        await asyncio.sleep(FIRST_TOKEN)
        for text in SENTENCES:
            self.call.tell(ReplySaid(reply_id, text))
        self.call.tell(ReplyEnded(reply_id, "complete"))


class Door:
    def __init__(self, around: Around) -> None:
        self._around = around
        self._calls: set[asyncio.Task[Any]] = set()

    async def offer(self, request: web.Request) -> web.Response:
        """A new call each time; it ends a minute after its peer has gone."""
        host, call_id = Host(), uuid7(datetime.now(UTC))
        call = host.call = Call(call_id, host, self._around, language="en")
        task = asyncio.create_task(call.run(), name=f"call/{call_id}")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        call.tell(Offered((await request.json())["sdp"], answered))
        return web.json_response({"call_id": call_id, "sdp": await answered}, status=HTTPStatus.CREATED)


def report(event: str, fields: dict[str, Any]) -> None:
    print(event, fields, file=sys.stderr)


async def main(directory: str, port: str) -> None:
    network = Network(IceServers((), (), "", 60.0, time.time), loopback=True)
    peers = RtcPeers(network, MOST, report)
    async with Silero(Path(directory)) as silero:
        await silero.warm()
        app = web.Application()
        app.router.add_post("/v1/calls", Door(Around(peers, silero, None, Transcriber(), Speaker())).offer)
        with loopback_only():
            await serve(app, int(port))


uvloop.run(main(*sys.argv[1:3]))
