"""Chat over REST: messages are read from the rows, sending is a command to the caller's session."""

from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.domain.conversation import COACH
from transport import wire
from transport.rest.asking import answer, order
from transport.rest.doors import DOORS, IDENTITY


class MessageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cursor` is the `next_cursor` of the page before: the same as `before` with its seq."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    before: Annotated[int, Meta(ge=0)] | None = None
    cursor: Annotated[int, Meta(ge=0)] | None = None
    thread: Literal["coach"] = COACH


async def list_(request: web.Request) -> web.Response:
    """`{items, next_cursor}`, newest first."""
    query = wire.read_query(MessageQuery, request.query)
    before = query.cursor if query.before is None else query.before
    rows = request.app[DOORS].messages
    items = await rows.list(request[IDENTITY].user_id, thread=query.thread, before=before, limit=query.limit)
    more = len(items) == query.limit
    return answer({"items": items, "next_cursor": str(items[-1].seq) if more else None})


async def send(request: web.Request) -> web.Response:
    """`{message_id, reply_id, seq}`: stored; the coach's reply follows as the message `reply_id`."""
    return await order(request, wire.read_request("chat.send", await request.read()), HTTPStatus.CREATED)


ROUTES = [web.get("/v1/chat/messages", list_), web.post("/v1/chat/messages", send)]
