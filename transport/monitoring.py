"""What programs without doors tell whoever watches them: `/healthz`, and `/metrics` for listed addresses."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from transport.addresses import Network

EVERYBODY: Final = None
"""For a socket whose directory nobody else may enter."""


def _application(registry: CollectorRegistry, readers: Sequence[Network] | None) -> web.Application:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def metrics(request: web.Request) -> web.Response:
        if readers is not None and not any(ip_address(request.remote or "::") in network for network in readers):
            raise web.HTTPForbidden
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/metrics", metrics)
    return application


@asynccontextmanager
async def _running(application: web.Application) -> AsyncIterator[web.AppRunner]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        yield runner
    finally:
        await runner.cleanup()


@asynccontextmanager
async def monitored(
    registry: CollectorRegistry, host: str, port: int | None, readers: Sequence[Network]
) -> AsyncIterator[str | None]:
    """Yields the URL; None, and nothing listens, where no port is given. Raises OSError."""
    if port is None:
        yield None
        return
    async with _running(_application(registry, readers)) as runner:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"


@asynccontextmanager
async def monitored_at(registry: CollectorRegistry, path: Path) -> AsyncIterator[None]:
    """At a socket of this machine."""
    async with _running(_application(registry, EVERYBODY)) as runner:
        await web.UnixSite(runner, path).start()
        yield
