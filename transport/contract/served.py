"""What the server shows of its own contract: both documents and the page, made once."""

from functools import cache

import msgspec

from transport.contract import asyncapi, openapi
from transport.contract.page import POLICY, page
from transport.rest.doors import Documents
from transport.rest.table import ROUTES


@cache
def documents() -> Documents:
    """Made when first asked for: a start need not wait for it."""
    http, sockets = openapi.document(ROUTES), asyncapi.document()
    return Documents(msgspec.json.encode(http), msgspec.json.encode(sockets), page(http, sockets), POLICY)
