"""The local AI as a process of its own: models come and are served behind the OpenAI protocol, on loopback, with a key."""

import asyncio
import hmac
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
import msgspec
from aiohttp import web

from scripts.embedded.ai.catalogue import Size, of_size
from scripts.embedded.ai.models import Models, models
from scripts.embedded.ai.ollama import Running
from scripts.embedded.child import StartError
from scripts.embedded.llama import is_installed, llama_server

WHOLE = aiohttp.ClientTimeout(total=600, connect=5)


class Front:
    """Passes chat on to whatever serves the model, once there is one."""

    def __init__(self, coming: Models, key: str, http: aiohttp.ClientSession) -> None:
        self._coming = coming
        self._key = key
        self._http = http
        self._url = ""
        self._headers: dict[str, str] = {}

    def application(self) -> web.Application:
        served = web.Application(client_max_size=4 * 2**20)
        served.router.add_get("/healthz", self.healthz)
        served.router.add_route("*", "/v1/{rest:.*}", self.passed_on)
        return served

    async def serve(self, stack: AsyncExitStack, directory: Path) -> None:
        """Waits for the model, then starts what serves it."""
        source = await self._coming.chat()
        if isinstance(source, Running):
            self._url = source.url
        elif not is_installed():
            self._coming.failed("chat", "xllamacpp is not installed: start with scripts/run")
            return
        else:
            try:
                server = await stack.enter_async_context(llama_server(source, directory / "llama"))
            except StartError as problem:
                self._coming.failed("chat", str(problem))
                return
            self._url = server.variables["LIFEBUDDY_OPENAI_BASE_URL"]
            self._headers = {"Authorization": f"Bearer {server.variables['LIFEBUDDY_OPENAI_API_KEY']}"}
        self._coming.ready("chat")

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode({"parts": self._coming.status()}), content_type="application/json")

    async def passed_on(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            raise web.HTTPUnauthorized
        if not self._url:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "5"})
        url = f"{self._url}/{request.match_info['rest']}"
        headers = self._headers | {"Content-Type": request.content_type}
        async with self._http.request(request.method, url, data=await request.read(), headers=headers) as answer:
            passed = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
            await passed.prepare(request)
            async for piece in answer.content.iter_any():
                await passed.write(piece)
        return passed


@asynccontextmanager
async def listening(application: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()


async def main(told: Mapping[str, str]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    wanted = of_size(cast("Size", told["AI_SIZE"]))
    own = Path(told["AI_LLM_FILE"]) if told.get("AI_LLM_FILE") else None
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=WHOLE))
        coming = await stack.enter_async_context(models(wanted, Path(told["AI_MODELS"]), own))
        front = Front(coming, told["AI_KEY"], http)
        await stack.enter_async_context(listening(front.application(), int(told["AI_PORT"])))
        serving = asyncio.create_task(front.serve(stack, Path(told["AI_DIRECTORY"])), name="serve-chat")
        stack.callback(serving.cancel)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(os.environ))
    sys.exit(0)
