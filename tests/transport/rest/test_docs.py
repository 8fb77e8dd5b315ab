"""What apps are promised is served: two documents for machines, and one page for people."""

import base64
import hashlib
import re

import openapi_spec_validator

from tests.transport.conftest import StartNode
from tests.transport.rest.test_door import call, call_text
from transport.contract import asyncapi, openapi
from transport.rest.table import ROUTES

NOBODY = {"Authorization": ""}


async def test_both_documents_are_there_for_everyone(start_node: StartNode) -> None:
    node = await start_node()
    status, http, headers = await call(node, "GET", "/v1/openapi.json", headers=NOBODY)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    openapi_spec_validator.validate(http)
    assert http == openapi.document(ROUTES)
    status, sockets, _ = await call(node, "GET", "/v1/asyncapi.json", headers=NOBODY)
    assert (status, sockets) == (200, asyncapi.document())


async def test_the_page_shows_everything_and_takes_nothing_from_elsewhere(start_node: StartNode) -> None:
    node = await start_node()
    status, page, headers = await call_text(node, "/docs", NOBODY)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for route in ROUTES:
        assert route.path in page
        assert f'id="{route.name}"' in page
    for name in asyncapi.document()["operations"]:
        assert f'id="socket.{name}"' in page
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert not re.search(r"<script|<img|<link|@import|url\(|src=|style=", page)
    assert all(link.startswith(("#", "/")) for link in re.findall(r'href="([^"]*)"', page))
