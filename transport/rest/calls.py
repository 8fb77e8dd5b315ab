"""Calls over HTTP, for who has no socket: offer, candidates, hanging up; and what a browser has to know before it offers."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from actors.domain.refusals import (
    BadCandidate,
    BadOffer,
    CallBusy,
    CallNotFound,
    NoCalls,
    NotFound,
    RateLimited,
    TooLarge,
)
from actors.questions import CallAnswered, EndCall
from transport.calling import MAX_SDP, IceCandidate, Offer
from transport.rest.asking import ask, id_in_path
from transport.rest.doors import DOORS, IDENTITY
from transport.rest.routes import Route


class CallConfig(msgspec.Struct, frozen=True):
    """For `RTCPeerConnection`; credentials in `ice_servers` are good for some hours. A call lasts `max_seconds` at most."""

    ice_servers: list[dict[str, Any]]
    max_seconds: float
    max_sdp_bytes: int = MAX_SDP


async def offer(request: web.Request, body: Offer) -> CallAnswered:
    """The device is the login session."""
    question = body.question(f"session/{request[IDENTITY].session_id}")
    answered: CallAnswered = await ask(request, question)
    return answered


async def candidate(request: web.Request, body: IceCandidate) -> None:
    await ask(request, body.question(id_in_path(request)))


async def end(request: web.Request) -> None:
    await ask(request, EndCall(id_in_path(request)))


async def config(request: web.Request) -> CallConfig:
    doors = request.app[DOORS]
    if doors.ice_servers is None:
        raise NoCalls
    servers = [dict(server) for server in doors.ice_servers(request[IDENTITY].user_id)]
    return CallConfig(servers, doors.longest_call)


_CALL: Final = "/v1/calls/{call_id}"
ROUTES: Final = (
    Route(
        "POST",
        "/v1/calls",
        "call.offer",
        offer,
        "Begin a call, or connect anew to the one there is",
        body=Offer,
        answer=CallAnswered,
        status=HTTPStatus.CREATED,
        refuses=(BadOffer, CallBusy, CallNotFound, NoCalls, RateLimited, TooLarge),
    ),
    Route(
        "GET",
        "/v1/calls/config",
        "call.config",
        config,
        "What to know before an offer",
        answer=CallConfig,
        refuses=(NoCalls,),
    ),
    Route(
        "POST",
        f"{_CALL}/candidates",
        "call.candidate",
        candidate,
        "A network address of the device in a call",
        body=IceCandidate,
        refuses=(BadCandidate, CallNotFound, NotFound),
    ),
    Route("DELETE", _CALL, "call.end", end, "Hang up", refuses=(CallNotFound, NotFound)),
)
