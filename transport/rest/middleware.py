"""What every REST request goes through: trace, refusals as problem+json, origin, limits, who is asking, cid."""

import asyncio
import math
import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import Counter, Histogram

from actors.domain.refusals import Invalid, NotFound, RateLimited, TooLarge, Unauthenticated
from actors.ports import Standing
from actors.runtime.envelope import Crashed, Refused, TimedOut
from actors.runtime.ids import uuid7
from actors.runtime.tracing import Span, Trace
from transport import problems, wire
from transport.addresses import client_address, comes_from
from transport.asking import crash_site
from transport.limits import Meter
from transport.refusals import Forbidden, MethodNotAllowed, NotAcceptable, Unsupported
from transport.rest.asking import bearer
from transport.rest.doors import CID, DOORS, IDENTITY, LANGUAGE, METER, PAGE, TRACE, Doors
from transport.rest.routes import Route
from transport.rest.serving import route_of
from transport.roles import require_role
from transport.sentences import read_languages
from transport.service_keys import PREFIX
from transport.tokens import Identity
from transport.tracing import new_trace

log = structlog.get_logger(__name__)

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "LifeBuddy",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match",
    "Access-Control-Max-Age": "600",
}
_EXPOSED: Final = "Deprecation, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Sunset, X-Trace-Id"
_API: Final = "/v1/"
"""What is refused under load; how the node is, it always tells."""
_WRITING: Final = frozenset({hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH, hdrs.METH_DELETE})
_NONE: Final = re.compile(r"\bq\s*=\s*0(\.0*)?\s*(;|$)")
_BY_STATUS: Final[dict[int, type[Refused]]] = {404: NotFound, 405: MethodNotAllowed, 413: TooLarge, 415: Unsupported}


def chain(doors: Doors) -> Middleware:
    """All steps as one, outermost first; doors of their own (sockets) go past them, and hold no frame of theirs."""
    steps = [_measured(doors), answered, origin_checked, limited, identified, keyed]

    @web.middleware
    async def stepwise(request: web.Request, handler: Handler) -> web.StreamResponse:
        if template_of(request) in doors.own_doors:
            response = await handler(request)
            if not response.prepared:
                _harden(response, request)
            return response
        for step in reversed(steps):
            handler = partial(step, handler=handler)
        return await handler(request)

    return stepwise


def template_of(request: web.Request) -> str:
    """The route's template, never the path itself: ids of people stand in paths."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _measured(doors: Doors) -> Middleware:
    count = Counter("rest_requests", "Answered requests", ["route", "method", "status"], registry=doors.registry)
    seconds = Histogram("rest_seconds", "Seconds from request to answer", ["route"], registry=doors.registry)

    async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        response = await handler(request)
        method = request.method if request.method in hdrs.METH_ALL else "other"
        count.labels(template_of(request), method, response.status).inc()
        seconds.labels(template_of(request)).observe(time.monotonic() - began)
        return response

    return measured


async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its trace id, turn whatever is raised into a problem, and add what every answer carries."""
    trace = request[TRACE] = _trace(request)
    request[LANGUAGE] = read_languages(request.headers.get(hdrs.ACCEPT_LANGUAGE, ""))
    meter = request[METER] = _meter(request)
    with structlog.contextvars.bound_contextvars(trace_id=str(trace), client=str(meter.address)):
        try:
            response = await handler(request)
        except Refused as refused:
            response = _problem(refused, request)
        except web.HTTPException as raised:
            response = _of_library(raised, request)
        except (ConnectionError, web.RequestPayloadError):  # hung up or garbled in the middle of its body
            response = _problem(Invalid(), request)
        except Exception as error:  # noqa: BLE001 - the door: a bug is told without its text, and logged once
            response = _crashed(request, error)
    if not response.prepared:
        _complete(response, request)
    if isinstance(trace, Span):
        failed = str(response.status) if response.status >= 500 else None
        trace.end(failed, **{"http.response.status_code": response.status})
    return response


def _trace(request: web.Request) -> Trace:
    """Only what people ask is watched; who asks how the node is, asks every other second."""
    name = template_of(request)
    if not name.startswith(_API):
        return new_trace()
    method = request.method if request.method in hdrs.METH_ALL else "other"
    return request.app[DOORS].traces.root(f"{method} {name}")


def _meter(request: web.Request) -> Meter:
    doors = request.app[DOORS]
    forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
    return Meter(doors.gate, client_address(request.remote, forwarded, doors.trusted_proxies))


def _complete(response: web.StreamResponse, request: web.Request) -> None:
    response.headers["X-Trace-Id"] = str(request[TRACE])
    if request[METER].standings:
        _tell_limits(response, request[METER].standings)
    route = route_of(request)
    if route is not None:
        response.headers.update(route.farewell)
    _harden(response, request)
    if PAGE in request:
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request[PAGE]
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
        response.headers[hdrs.VARY] = f"{hdrs.ORIGIN}, {hdrs.ACCEPT_LANGUAGE}"


def _harden(response: web.StreamResponse, request: web.Request) -> None:
    """What every answer carries, whoever gave it."""
    if _over_tls(request):
        response.headers[hdrs.STRICT_TRANSPORT_SECURITY] = "max-age=31536000"
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app[DOORS].readiness.draining:
        response.force_close()  # whoever comes again is to come to a node that stays


def _over_tls(request: web.Request) -> bool:
    """TLS ends here, or at a trusted proxy that says so."""
    proxies = request.app[DOORS].trusted_proxies
    told = request.headers.get(hdrs.X_FORWARDED_PROTO, "").rpartition(",")[2].strip()
    return request.secure or (told == "https" and comes_from(request.remote, proxies))


def _tell_limits(response: web.StreamResponse, standings: Sequence[Standing]) -> None:
    """What limits the request has passed, or met, as draft-ietf-httpapi-ratelimit-headers-10 tells it."""
    response.headers["RateLimit-Policy"] = ", ".join(standing.limit.policy for standing in standings)
    response.headers["RateLimit"] = ", ".join(
        f'"{standing.limit.name}";r={standing.remaining};t={math.ceil(standing.wait or standing.reset)}'
        for standing in standings
    )


def _crashed(request: web.Request, error: Exception) -> web.StreamResponse:
    log.error("rest.failed", route=template_of(request), method=request.method, **crash_site(error))
    return _problem(Crashed(effect="unknown"), request)


def _of_library(raised: web.HTTPException, request: web.Request) -> web.StreamResponse:
    """What aiohttp itself refuses with: no such path, no such method, a body too large. OPTIONS is told what there is."""
    if raised.status < 400:
        return raised
    response = _problem(_BY_STATUS.get(raised.status, Invalid)(), request)
    if request.method == hdrs.METH_OPTIONS and raised.status == 405:
        response = web.Response(status=204)
    if hdrs.ALLOW in raised.headers:
        response.headers[hdrs.ALLOW] = raised.headers[hdrs.ALLOW]
    return response


def _problem(refused: Refused, request: web.Request) -> web.Response:
    status, body = problems.problem(refused, request[TRACE], request[LANGUAGE])
    response = web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")
    response.headers[hdrs.CONTENT_LANGUAGE] = request[LANGUAGE]
    if refused.retry_after_ms is not None:
        response.headers[hdrs.RETRY_AFTER] = str(math.ceil(refused.retry_after_ms / 1000))
    if isinstance(refused, RateLimited):
        response.headers["RateLimit-Policy"] = ", ".join(refused.policies)
        names = (policy.partition(";")[0] for policy in refused.policies)
        response.headers["RateLimit"] = ", ".join(
            f"{name};r=0;t={response.headers[hdrs.RETRY_AFTER]}" for name in names
        )
    if status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return response


async def origin_checked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A browser says where its page came from: only pages of the allow-list get in. Apps say nothing."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return await handler(request)
    if origin not in request.app[DOORS].origins:
        raise Forbidden
    request[PAGE] = origin
    if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
        return web.Response(status=204, headers=_PREFLIGHT)
    return await handler(request)


async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
    """JSON bodies only, not too large, everything within a time limit, and nothing while there is too much already."""
    limits = request.app[DOORS].limits
    if request.path.startswith(_API):
        request.app[DOORS].load.check()
    if (request.content_length or 0) > limits.body:
        raise TooLarge
    route = route_of(request)
    if route is not None and not _accepts(request, route.media):
        raise NotAcceptable
    if request.body_exists:
        _check_content(request)
    try:
        async with asyncio.timeout(limits.request):
            return await handler(request)
    except TimeoutError:
        raise TimedOut(effect="unknown" if request.method in _WRITING else "none") from None


def _accepts(request: web.Request, media: str) -> bool:
    """Whether `Accept` lets in what the route answers (RFC 9110, 12.5.1); weights only matter where they are 0."""
    accept = ",".join(request.headers.getall(hdrs.ACCEPT, ())) or "*/*"
    kinds = {"*/*", media.partition("/")[0] + "/*", media}
    ranges = (one.partition(";") for one in accept.lower().split(","))
    return any(kind.strip() in kinds and not _NONE.search(weight) for kind, _, weight in ranges)


def _check_content(request: web.Request) -> None:
    encoded = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/json" or encoded != "identity" or charset != "utf-8":
        raise Unsupported


async def identified(request: web.Request, handler: Handler) -> web.StreamResponse:
    """`request[IDENTITY]` says who asks. Deny by default: only a route that opens to everyone goes without."""
    route = route_of(request)
    if request.match_info.http_exception is None and (route is None or route.opens_to != "everyone"):
        token, doors = bearer(request), request.app[DOORS]
        if route is not None and route.opens_to == "service" and token.startswith(PREFIX):
            await _check_key(doors, token, route.scope or "")
        else:
            request[IDENTITY] = await doors.identify(token)
            _check_role(request[IDENTITY], route)
    return await handler(request)


async def _check_key(doors: Doors, key: str, scope: str) -> None:
    if doors.keys is None:
        raise Unauthenticated
    await doors.keys.identify(key, scope)


def _check_role(identity: Identity, route: Route | None) -> None:
    """What opens to programs opens to nobody else, unless it says to whom."""
    if route is not None and route.role is not None:
        require_role(identity, route.role)
    elif route is not None and route.opens_to == "service":
        raise Forbidden


async def keyed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """`request[CID]` is the Idempotency-Key, any UUID; without one the door makes a cid."""
    if request.method in _WRITING:
        key = request.headers.get("Idempotency-Key")
        request[CID] = uuid7(request.app[DOORS].now()) if key is None else _read_key(key)
    return await handler(request)


def _read_key(key: str) -> str:
    try:
        return wire.read_cid(key.strip().strip('"'))
    except Invalid:
        raise Invalid(fields={"Idempotency-Key": "is not a UUID"}) from None
