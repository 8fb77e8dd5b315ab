"""The local AI's doors: the OpenAI protocol with a key, each part 503 until its model is there, every answer says who it is."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web

from scripts.embedded.ai.backend import Backend, BusyError
from scripts.embedded.ai.chat import NAME, Completion, call_chunks, call_whole, for_model
from scripts.embedded.ai.embeddings import Embedder
from scripts.embedded.ai.models import Models
from scripts.embedded.ai.moderation import Moderation
from scripts.embedded.ai.order import Order
from scripts.embedded.ai.router import Call
from scripts.embedded.ai.sound import SoundDoors
from scripts.embedded.ai.standing import Standing

MAX_BODY: Final = 4 * 2**20
MAX_INPUTS: Final = 64
MAX_TEXT: Final = 20_000


class Inputs(msgspec.Struct):
    """What embeddings and moderation are asked for: one text or several."""

    input: str | list[str]
    model: str = NAME

    @property
    def texts(self) -> list[str]:
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not 0 < len(texts) <= MAX_INPUTS or max(map(len, texts)) > MAX_TEXT:
            raise msgspec.ValidationError(f"1 to {MAX_INPUTS} texts of at most {MAX_TEXT} characters")
        return texts


class Front:
    """`backend` and `embedder` are None until their models are there."""

    def __init__(self, coming: Models, key: str) -> None:
        self._backend: Backend | None = None
        self.order = Order()
        self.sound = SoundDoors(self.order, _json, self._not_there)
        self.embedder: Embedder | None = None
        self._standing = Standing()
        self._coming = coming
        self._key = key.encode()

    @property
    def backend(self) -> Backend | None:
        return self._backend

    @backend.setter
    def backend(self, backend: Backend | None) -> None:
        self._backend = backend
        self.order.give_way(backend)

    def application(self) -> web.Application:
        served = web.Application(client_max_size=MAX_BODY, middlewares=[self._admitted])
        served.router.add_get("/healthz", self.healthz)
        served.router.add_get("/v1/models", self.models)
        served.router.add_post("/v1/chat/completions", self.chat)
        served.router.add_post("/v1/embeddings", self.embeddings)
        served.router.add_post("/v1/moderations", self.moderations)
        self.sound.add_to(served.router)
        return served

    @web.middleware
    async def _admitted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if request.path != "/healthz" and not hmac.compare_digest(given, self._key):
            return _error(401, "invalid_api_key", "the key is missing or wrong")
        try:
            return await handler(request)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            return _error(400, "invalid_request", str(problem))
        except BusyError:
            return _error(503, "overloaded", "others are being answered", retry_after=5)
        except aiohttp.ClientError as problem:
            return _error(502, "model_unreachable", f"the model's server does not answer: {type(problem).__name__}")

    async def healthz(self, _request: web.Request) -> web.Response:
        return _json({"parts": self._coming.status(), "answered_by": NAME})

    async def models(self, _request: web.Request) -> web.Response:
        listed = [
            {"id": NAME, "object": "model", "created": 0, "owned_by": part.model}
            for part in self._coming.status().values()
        ]
        return _json({"object": "list", "data": listed})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = msgspec.json.decode(await request.read(), type=Completion)
        if not asked.messages:
            raise msgspec.ValidationError("messages are empty")
        if self.backend is None:
            return self._not_there("chat")
        async with self.backend.turn():
            call = await self.backend.route(asked) if asked.wants_router else None
            if call is None:
                return await _passed_on(request, self.backend, for_model(asked, self.backend.model, self._standing))
            return await _called(request, asked, call)

    async def embeddings(self, request: web.Request) -> web.StreamResponse:
        asked = msgspec.json.decode(await request.read(), type=Inputs).texts
        if self.embedder is None:
            return self._not_there("embeddings")
        vectors = await self.embedder.embed(asked)
        told = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        read = sum(map(len, asked)) // 4
        return _json(
            {"object": "list", "data": told, "model": NAME, "usage": {"prompt_tokens": read, "total_tokens": read}}
        )

    async def moderations(self, request: web.Request) -> web.Response:
        """The rules work without any model; likeness in meaning is added once there is one."""
        asked = msgspec.json.decode(await request.read(), type=Inputs).texts
        told = await Moderation(self.embedder).results(asked)
        return _json({"id": "modr-local", "model": NAME, "results": told})

    def _not_there(self, part: str) -> web.Response:
        told = self._coming.status().get(part)
        state = f"{told.state} {told.problem}".strip() if told else "not wanted"
        return _error(503, "model_loading", f"the model is not there yet: {state}", retry_after=5)


async def _passed_on(request: web.Request, backend: Backend, body: dict[str, Any]) -> web.StreamResponse:
    async with backend.completion(body) as answer:
        headers = {"Content-Type": answer.headers.get("Content-Type", "application/json"), "X-Answered-By": NAME}
        passed = web.StreamResponse(status=answer.status, headers=headers)
        await passed.prepare(request)
        async for piece in answer.content.iter_any():
            await passed.write(piece)
    return passed


async def _called(request: web.Request, asked: Completion, call: Call) -> web.StreamResponse:
    if not asked.stream:
        return _json(call_whole(asked, call.name, call.arguments))
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Answered-By": NAME})
    await answer.prepare(request)
    for chunk in call_chunks(asked, call.name, call.arguments):
        await answer.write(chunk)
    return answer


def _json(told: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    by = {"X-Answered-By": NAME} | (headers or {})
    return web.Response(body=msgspec.json.encode(told), status=status, headers=by, content_type="application/json")


def _error(status: int, code: str, message: str, retry_after: int | None = None) -> web.Response:
    told = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return _json(told, status, {"Retry-After": str(retry_after)} if retry_after else None)


@asynccontextmanager
async def listening(application: web.Application, port: int) -> AsyncIterator[None]:
    """On loopback. Who goes away has its request cancelled, and so its generation."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await asyncio.shield(runner.cleanup())
