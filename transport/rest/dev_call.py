"""`/dev/call`: a page to call from a browser with, for whoever sits at the machine."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

from transport.rest.dev import check_near
from transport.rest.routes import Route

PAGE: Final = Path(__file__).with_name("dev_call.html")


async def show(request: web.Request) -> web.Response:
    check_near(request)
    page, policy = _read()
    return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": policy})


ROUTES: Final = (Route("GET", "/dev/call", "dev.call", show, "Call from here", opens_to="everyone", media="text/html"),)


@cache
def _read() -> tuple[str, str]:
    """The page, and what it may do: run its own script, speak with its own server, play what it hears."""
    page = PAGE.read_text()
    style, script = (_hash(_inside(tag, page)) for tag in ("style", "script"))
    policy = (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        f"connect-src 'self'; media-src blob:; script-src {script}; style-src {style}"
    )
    return page, policy


def _inside(tag: str, page: str) -> str:
    found = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    if found is None:
        raise ValueError(f"{PAGE.name} has no {tag}")
    return found[1]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
