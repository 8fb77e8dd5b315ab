"""Is the process alive, do its parts answer, what do its counters say; and a page for whoever opens the address."""

from functools import partial
from ipaddress import ip_address
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from actors.domain.refusals import NotFound, Unauthenticated
from transport.refusals import Forbidden
from transport.rest import landing
from transport.rest.asking import answer, bearer
from transport.rest.doors import DOORS, Doors
from transport.rest.readiness import Report
from transport.rest.routes import Route
from transport.slot import MOST, SUPERVISOR


class Alive(msgspec.Struct, frozen=True):
    status: Literal["ok"] = "ok"


async def healthz(_request: web.Request) -> Alive:
    return Alive()


async def readyz(request: web.Request) -> web.Response:
    """Whether this node should get requests: 200, or 503 when a required part is down or it drains."""
    report = await request.app[DOORS].readiness.report()
    return answer(report, 200 if report.status in {"ready", "degraded"} else 503)


class Scrape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`slot`: that of the process to read, of several behind one port, 0 for their supervisor; else any of them answers."""

    slot: Annotated[int, Meta(ge=SUPERVISOR, le=MOST)] | None = None


async def metrics(request: web.Request, scrape: Scrape) -> web.StreamResponse:
    """For listed addresses, but not through a proxy, whose address may be a listed one; or with an API key."""
    doors = request.app[DOORS]
    if doors.processes is None or not doors.processes.trusts(request):
        await _check_reader(doors, request)
        if scrape.slot is not None:
            passed = None if doors.processes is None else await doors.processes.ask(request, scrape.slot)
            if passed is not None:
                return passed
    return web.Response(body=generate_latest(doors.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _check_reader(doors: Doors, request: web.Request) -> None:
    """Raises Forbidden, Unauthenticated."""
    proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if proxied or not any(ip_address(request.remote or "::") in network for network in doors.metrics_from):
        if doors.keys is None or hdrs.AUTHORIZATION not in request.headers:
            raise Forbidden
        await doors.keys.identify(bearer(request), "metrics:read")


async def home(request: web.Request) -> web.Response:
    report = await request.app[DOORS].readiness.report()
    return web.Response(
        text=landing.page(report, f"{request.scheme}://{request.host}"),
        content_type="text/html",
        headers={"Content-Security-Policy": landing.POLICY},
    )


_open: Final = partial(Route, query=None, opens_to="everyone")
ROUTES: Final = (
    _open("GET", "/", "node.home", home, "What this is, for people", answer=str, media="text/html"),
    _open("GET", "/healthz", "node.alive", healthz, "Whether the process lives", answer=Alive),
    _open("GET", "/readyz", "node.ready", readyz, "How each part it stands on is", answer=Report, also={503: Report}),
    _open(
        "GET",
        "/metrics",
        "node.metrics",
        metrics,
        "Its counters",
        query=Scrape,
        answer=str,
        media="text/plain",
        refuses=(Forbidden, NotFound, Unauthenticated),
    ),
)
