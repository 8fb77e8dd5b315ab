"""What apps are promised: the documents for machines, and a page for people."""

from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web

from transport.rest.doors import DOORS
from transport.rest.routes import Route


async def openapi(request: web.Request) -> web.Response:
    return _json(request.app[DOORS].documents().openapi)


async def asyncapi(request: web.Request) -> web.Response:
    return _json(request.app[DOORS].documents().asyncapi)


async def page(request: web.Request) -> web.Response:
    documents = request.app[DOORS].documents()
    headers = {"Content-Security-Policy": documents.policy, hdrs.CACHE_CONTROL: _CACHED}
    return web.Response(text=documents.page, content_type="text/html", headers=headers)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={hdrs.CACHE_CONTROL: _CACHED})


_CACHED: Final = "public, max-age=300"
_open: Final = partial(Route, opens_to="everyone", query=None)
ROUTES: Final = (
    _open("GET", "/docs", "docs.page", page, "All of this, for people", answer=str, media="text/html"),
    _open("GET", "/v1/openapi.json", "docs.openapi", openapi, "This document", answer=dict[str, Any]),
    _open("GET", "/v1/asyncapi.json", "docs.asyncapi", asyncapi, "The document of the sockets", answer=dict[str, Any]),
)
