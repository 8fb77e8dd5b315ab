"""What the coach did or proposes, and the user's word on it."""

from typing import Final

import msgspec
from aiohttp import web

from actors.domain.actions import Action
from actors.questions import ActionsShown, ShowActions
from transport.rest.asking import ask
from transport.rest.routes import Route, by_command


class ActionList(msgspec.Struct, frozen=True):
    """Newest first: what waits for a word (pending) and what can be undone (done)."""

    items: tuple[Action, ...]


async def list_(request: web.Request) -> ActionList:
    shown: ActionsShown = await ask(request, ShowActions())
    return ActionList(tuple(shown.actions))


ROUTES: Final = (
    Route("GET", "/v1/actions", "action.list", list_, "What of the coach's actions is open", answer=ActionList),
    by_command("POST", "/v1/actions/{action_id}/confirm", "action.confirm"),
    by_command("POST", "/v1/actions/{action_id}/decline", "action.decline"),
    by_command("POST", "/v1/actions/{action_id}/undo", "action.undo"),
)
