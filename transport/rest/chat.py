"""Chat over REST: messages are read from the rows, sending is a command to the caller's session."""

from http import HTTPStatus
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from actors.domain.conversation import COACH, Message
from transport.rest.doors import DOORS, IDENTITY
from transport.rest.routes import Route, by_command


class MessageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cursor` is the `next_cursor` of the page before: the same as `before` with its seq."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    before: Annotated[int, Meta(ge=0)] | None = None
    cursor: Annotated[int, Meta(ge=0)] | None = None
    thread: Literal["coach"] = COACH


class MessagePage(msgspec.Struct, frozen=True):
    """Newest first; `next_cursor` is null on the last page."""

    items: tuple[Message, ...]
    next_cursor: str | None


async def list_(request: web.Request, query: MessageQuery) -> MessagePage:
    before = query.cursor if query.before is None else query.before
    rows = request.app[DOORS].messages
    items = await rows.list(request[IDENTITY].user_id, thread=query.thread, before=before, limit=query.limit)
    more = len(items) == query.limit
    return MessagePage(tuple(items), str(items[-1].seq) if more else None)


_PATH: Final = "/v1/chat/messages"
ROUTES: Final = (
    Route("GET", _PATH, "chat.list", list_, "The messages, newest first", query=MessageQuery, answer=MessagePage),
    by_command("POST", _PATH, "chat.send", status=HTTPStatus.CREATED),
    by_command("POST", "/v1/chat/messages/{message_id}/retry", "chat.retry", status=HTTPStatus.CREATED),
    by_command("POST", "/v1/chat/read", "chat.read"),
)
