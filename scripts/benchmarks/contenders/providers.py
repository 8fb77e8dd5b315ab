"""The models behind a server, over the OpenAI protocol: each takes its fixed time, whatever it is asked. Argument: the port."""

import asyncio
import json
import sys
import wave
from typing import Any

import uvloop
from aiohttp import web

from scripts.benchmarks.contenders.script import FIRST_SOUND, FIRST_TOKEN, SENTENCES, TRANSCRIBES, heard_as, sentence
from scripts.benchmarks.contenders.serving import serve


async def chat(request: web.Request) -> web.StreamResponse:
    model = (await request.json())["model"]
    frame = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 0, "model": model}
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await asyncio.sleep(FIRST_TOKEN)
    for text in SENTENCES:
        await response.write(_event(frame, {"content": text}))
    await response.write(_event(frame, {}, "stop") + b"data: [DONE]\n\n")
    return response


async def transcriptions(request: web.Request) -> web.Response:
    sent = (await request.post())["file"]
    if not isinstance(sent, web.FileField):
        raise web.HTTPBadRequest
    with sent.file, wave.open(sent.file, "rb") as opened:
        seconds = opened.getnframes() / opened.getframerate()
    await asyncio.sleep(TRANSCRIBES)
    return web.json_response({"text": heard_as(seconds)})


async def speech(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
    await response.prepare(request)
    await asyncio.sleep(FIRST_SOUND)
    for chunk in sentence():
        await response.write(chunk)
    return response


def _event(frame: dict[str, Any], delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({**frame, 'choices': [choice]})}\n\n".encode()


async def main(port: str) -> None:
    app = web.Application(client_max_size=2**23)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/v1/audio/transcriptions", transcriptions)
    app.router.add_post("/v1/audio/speech", speech)
    await serve(app, int(port))


uvloop.run(main(sys.argv[1]))
