"""`/dev/mail`: what the mail catcher of one machine has caught, for whoever sits at that machine."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html import escape
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from aiohttp import web

from actors.domain.refusals import NotFound
from transport.rest.doors import DOORS, LOOPBACK
from transport.rest.routes import Route

SHOWN: Final = 100  # messages in the list, the newest first
_HOST: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")
_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;max-width:52rem;margin:3rem auto;padding:0 1.25rem}
td,th{text-align:left;padding:.3rem .8rem .3rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;padding:1rem;border:1px solid #8884;border-radius:.5rem}
"""
POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)


async def listed(request: web.Request) -> web.Response:
    directory = _near(request)
    rows = await asyncio.to_thread(lambda: "".join(_rows(directory)))
    return _page("Caught mail", f"<table>{rows}</table>" if rows else "<p>None yet.</p>")


async def shown(request: web.Request) -> web.Response:
    message = await asyncio.to_thread(_chosen, _near(request), request.match_info["name"])
    return _page(str(message["Subject"] or "No subject"), _text(message))


ROUTES: Final = (
    Route("GET", "/dev/mail", "dev.mail", listed, "Caught mail", opens_to="everyone", media="text/html"),
    Route("GET", "/dev/mail/{name}", "dev.mail.message", shown, "One of it", opens_to="everyone", media="text/html"),
)


def check_near(request: web.Request) -> None:
    """For loopback alone; the name in Host keeps out pages whose name was pointed at this machine. Raises NotFound."""
    proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    near = any(ip_address(request.remote or "::") in network for network in LOOPBACK)
    if proxied or not near or not _HOST.fullmatch(request.host):
        raise NotFound


def _near(request: web.Request) -> Path:
    """Where the mail is, for whoever sits at this machine."""
    check_near(request)
    directory = request.app[DOORS].caught_mail
    if directory is None:
        raise NotFound
    return directory


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("[0-9]*.eml"), reverse=True)[:SHOWN]


def _chosen(directory: Path, name: str) -> EmailMessage:
    path = next((path for path in _files(directory) if path.name == name), None)
    if path is None:
        raise NotFound
    return _read(path)


def _read(path: Path) -> EmailMessage:
    try:
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(path.read_bytes())
    except FileNotFoundError:
        raise NotFound from None


def _rows(directory: Path) -> Iterator[str]:
    for path in _files(directory):
        try:
            message = _read(path)
        except NotFound:  # a newer one took its place
            continue
        told = (str(message[name] or "") for name in ("Date", "To", "Subject"))
        date, to, subject = (escape(text) for text in told)
        yield f"<tr><td>{date}</td><td>{to}</td><td><a href='/dev/mail/{path.name}'>{subject or 'No subject'}</a></td></tr>"


def _text(message: EmailMessage) -> str:
    head = "".join(
        f"<tr><th>{name}</th><td>{escape(str(message[name] or ''))}</td></tr>"
        for name in ("From", "To", "X-Envelope-To", "Date", "Subject")
    )
    return f"<p><a href='/dev/mail'>All mail</a></p><table>{head}</table><pre>{escape(_body(message))}</pre>"


def _body(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    try:
        return str(body.get_content()) if body is not None else ""
    except (LookupError, ValueError):  # an encoding nobody knows
        return "This cannot be shown; look at the file itself."


def _page(title: str, body: str) -> web.Response:
    head = f"<meta charset='utf-8'><title>{escape(title)}</title><style>{_STYLE}</style>"
    text = f"<!doctype html><html lang='en'><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>"
    return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})
