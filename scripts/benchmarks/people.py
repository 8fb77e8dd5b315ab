"""The people of a bench: registered through the door they all use; and a model that listens to them and says nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from scripts.embedded.ports import held_port

AT_ONCE = 8


async def register(url: str, count: int) -> list[str]:
    """Registers that many people; answers their access tokens."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(http: aiohttp.ClientSession, number: int) -> str:
        person = {"email": f"p{number}@bench.example", "password": f"long enough {number} times", "name": "Pat"}
        async with gate, http.post(f"{url}/v1/auth/register", json=person) as response:
            answer = await response.json()
            if response.status != 201:
                raise ConnectionError(f"register was answered {response.status} {answer.get('code')}")
            return str(answer["access_token"])

    async with aiohttp.ClientSession() as http:
        return await asyncio.gather(*(one(http, number) for number in range(count)))


@asynccontextmanager
async def silent_model() -> AsyncIterator[dict[str, str]]:
    """A server that takes every request for an answer and never answers; yields the settings that point to it."""
    over = asyncio.Event()

    async def listen(_: web.Request) -> web.Response:
        await over.wait()
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", listen)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    with held_port() as port:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        patience = {f"LIFEBUDDY_MODEL_{limit}_SECONDS": "3600" for limit in ("FIRST_TOKEN", "BETWEEN_TOKENS", "WHOLE")}
        try:
            yield {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "silent", **patience}
        finally:
            over.set()
            await runner.cleanup()
