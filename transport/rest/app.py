"""The REST door: routes, the steps every request goes through, and the port it listens on."""

import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from transport.rest import dev, dev_call
from transport.rest.doors import DOORS, Doors
from transport.rest.middleware import chain
from transport.rest.serving import mount
from transport.rest.table import ROUTES
from transport.slot import Slot

BACKLOG: Final = 1024
_library: Final = logging.getLogger("aiohttp.server")


def app(doors: Doors) -> web.Application:
    """An application that serves the table of routes, and pages for developers where they are wanted. Sockets add their own routes to it."""
    application = web.Application(middlewares=[chain(doors)], client_max_size=doors.limits.body)
    application[DOORS] = doors
    mail = dev.ROUTES if doors.caught_mail is not None else ()
    mount(application, (*ROUTES, *mail, *(dev_call.ROUTES if doors.call_page else ())))
    return application


@asynccontextmanager
async def listening(
    application: web.Application, host: str, port: int, *, tls: ssl.SSLContext | None = None, slot: Slot | None = None
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Requests are taken, over TLS where a context is given, at the slot's socket where there is a slot. Yields how to
    let no new connection in; at the end those in hand have a second to finish.
    """
    _library.addFilter(_is_ours)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site: web.BaseSite
    try:
        if slot is None:
            site = web.TCPSite(runner, host, port, backlog=BACKLOG, ssl_context=tls)
        else:
            site = web.SockSite(runner, socket.socket(fileno=slot.listener), backlog=BACKLOG, ssl_context=tls)
            await web.UnixSite(runner, slot.own_socket).start()
            slot.name_socket()
        await site.start()
        yield site.stop
    finally:
        await runner.cleanup()
        if slot is not None:
            slot.leave()


def _is_ours(record: logging.LogRecord) -> bool:
    """What a client garbled was answered with a 400: anybody could fill the log with the library's tracebacks of it."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError)
