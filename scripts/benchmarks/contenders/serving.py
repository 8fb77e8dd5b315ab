"""How a baseline's server listens."""

import asyncio

from aiohttp import web


async def serve(app: web.Application, port: int) -> None:
    """For ever, on loopback; says so."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print(f"ready http://127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()
