"""How the table is served: read what a route says, ask its handler, send what that answers."""

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

from actors.domain.refusals import Invalid
from transport import wire
from transport.rest.asking import answer, named, tag_of
from transport.rest.routes import SELECT, Nothing, Route

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
    query, chosen = dict(request.query), None
    if SELECT in query and route.selects:
        chosen = _chosen(route, query.pop(SELECT))
    given = [] if route.query is None else [(route.query, wire.read_query(route.query, query))]
    if route.body is not Nothing or request.body_exists:
        given.append((route.body, wire.read(route.body, await request.read() or b"{}")))
    answered = await route.handler(request, *(read for shape, read in given if shape is not Nothing))
    if isinstance(answered, web.StreamResponse):
        return answered
    return (
        web.Response(status=HTTPStatus.NO_CONTENT) if route.answer is None else _sent(route, request, answered, chosen)
    )


def _sent(route: Route, request: web.Request, answered: object, chosen: frozenset[str] | None) -> web.Response:
    packed = wire.pack(answered)
    headers = {hdrs.ETAG: tag_of(packed)} if route.tagged else {}
    if route.tagged and named(request, hdrs.IF_NONE_MATCH, headers[hdrs.ETAG]):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if chosen is not None and "items" in packed:
        packed["items"] = [_only(one, chosen) for one in packed["items"]]
    elif chosen is not None:
        packed = _only(packed, chosen)
    response = answer(packed, route.status)
    response.headers.update(headers)
    return response


def _chosen(route: Route, names: str) -> frozenset[str]:
    """What `fields` asks for. Raises Invalid for what is no field of each item, or of the thing itself."""
    chosen = frozenset(names.split(","))
    if not chosen <= route.selects:
        raise Invalid(fields={SELECT: "names a field that is not there"})
    return chosen


def _only(packed: dict[str, Any], chosen: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in packed.items() if name in chosen}
