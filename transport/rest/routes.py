"""What a route is: one line holds all that apps are told of it, and all that is read before its handler is asked."""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Literal

import msgspec
from aiohttp import hdrs, web

from actors.commands import PUBLIC
from actors.runtime.envelope import Refused
from transport import wire
from transport.contract.promises import PROMISES, with_seq
from transport.contract.schemas import without
from transport.rest.asking import answer, ids_in_path, order

_PLACE: Final = re.compile(r"{(\w+)}")
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[..., Awaitable[object]]
"""A plain function of the request, then of the query and the body where the route has them; answers what is sent."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query or the body of a request that says all by its path."""


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """`name` is the operation's id; `refuses` what it refuses with beside what any route may. Names in paths are ids.

    `query` None: whatever it says is not looked at. `answer` None: 204 without a body. `opens_to` "user" asks for an
    access token; an API key with that `scope` may come here too. `deprecated` and `sunset` are told in headers.
    `also` are answers with another status.
    """

    method: Method
    path: str
    name: str
    handler: Handler
    summary: str
    _: dataclasses.KW_ONLY
    query: type[Any] | None = Nothing
    body: type[Any] = Nothing
    answer: Any = None
    status: int = HTTPStatus.OK
    media: str = "application/json"
    refuses: tuple[type[Refused], ...] = ()
    opens_to: Literal["everyone", "user"] = "user"
    scope: str | None = None
    deprecated: date | None = None
    sunset: date | None = None
    also: Mapping[int, Any] = dataclasses.field(default_factory=dict)

    @property
    def answers(self) -> Mapping[int, Any]:
        """What it answers when it does not refuse, by status; None is an answer without a body."""
        return {HTTPStatus.NO_CONTENT if self.answer is None else self.status: self.answer, **self.also}

    @property
    def places(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PLACE.findall(self.path))


def by_command(method: Method, path: str, name: str, *, status: int = HTTPStatus.OK) -> Route:
    """A route that carries out the public command `name`.

    A name in the path is the command's field of that name; the others are the body, or the query of a DELETE.
    """
    promise, command = PROMISES[name], PUBLIC[name]
    unbound = Route(method, path, name, _nobody, promise.summary)
    rest = _without(command, unbound.places)
    in_query = method == hdrs.METH_DELETE

    async def carry_out(request: web.Request, given: msgspec.Struct | None = None) -> web.Response:
        fields = msgspec.structs.asdict(given) if given is not None else {}
        return await order(request, command(**ids_in_path(request), **fields), status)

    return dataclasses.replace(
        unbound,
        handler=carry_out,
        query=rest if in_query else Nothing,
        body=Nothing if in_query else rest,
        answer=with_seq(promise.answer),
        status=status,
        refuses=promise.refuses,
    )


Table = Mapping[tuple[str, str], Route]
TABLE = web.AppKey("table", dict)


def mount(application: web.Application, routes: Iterable[Route]) -> None:
    """Serve these routes; GET answers HEAD too."""
    table = application[TABLE] = dict[tuple[str, str], Route]()
    for route in routes:
        table[route.method, route.path] = route
        application.router.add_route(route.method, route.path, partial(_serve, route))
        if route.method == hdrs.METH_GET:
            application.router.add_route(hdrs.METH_HEAD, route.path, partial(_serve, route))


def route_of(request: web.Request) -> Route | None:
    """The line of the table this request came by; None for what is no route of ours."""
    resource = request.match_info.route.resource
    if resource is None:
        return None
    method = hdrs.METH_GET if request.method == hdrs.METH_HEAD else request.method
    found: Route | None = request.app[TABLE].get((method, resource.canonical))
    return found


async def _serve(route: Route, request: web.Request) -> web.StreamResponse:
    """Read what the route says, ask its handler, and send what that answers."""
    given = []
    if route.query is not None:
        given.append((route.query, wire.read_query(route.query, request.query)))
    given.append((route.body, wire.read(route.body, await request.read() or b"{}")))
    answered = await route.handler(request, *(read for shape, read in given if shape is not Nothing))
    if isinstance(answered, web.StreamResponse):
        return answered
    return web.Response(status=HTTPStatus.NO_CONTENT) if route.answer is None else answer(answered, route.status)


async def _nobody(_request: web.Request) -> None:
    raise NotImplementedError


def _without(command: type[msgspec.Struct], places: tuple[str, ...]) -> type[Any]:
    """The command's fields that are not named in the path."""
    if set(command.__struct_fields__) <= set(places):
        return Nothing
    return without(command, places, f"{command.__name__}Body") if places else command
