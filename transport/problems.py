"""Refusals in the shapes of the doors: RFC 9457 problems for REST, acks and `session.error` for sockets."""

from http import HTTPStatus
from typing import Any, Final

from actors.runtime.envelope import Refused
from actors.runtime.tracing import Trace
from transport.sentences import ENGLISH, sentence

STATUS: Final[dict[str, HTTPStatus]] = {
    "invalid": HTTPStatus.BAD_REQUEST,
    "protocol": HTTPStatus.BAD_REQUEST,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "auth": HTTPStatus.UNAUTHORIZED,
    "auth.password": HTTPStatus.UNPROCESSABLE_ENTITY,
    "auth.fresh": HTTPStatus.FORBIDDEN,
    "auth.token": HTTPStatus.GONE,
    "auth.mail_taken": HTTPStatus.CONFLICT,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "method": HTTPStatus.METHOD_NOT_ALLOWED,
    "not_acceptable": HTTPStatus.NOT_ACCEPTABLE,
    "conflict": HTTPStatus.CONFLICT,
    "gone": HTTPStatus.GONE,
    "precondition": HTTPStatus.PRECONDITION_FAILED,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "refused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "call.sdp": HTTPStatus.UNPROCESSABLE_ENTITY,
    "call.candidate": HTTPStatus.UNPROCESSABLE_ENTITY,
    "goal": HTTPStatus.CONFLICT,
    "goal.cycle": HTTPStatus.UNPROCESSABLE_ENTITY,
    "goal.depth": HTTPStatus.UNPROCESSABLE_ENTITY,
    "goal.too_many": HTTPStatus.UNPROCESSABLE_ENTITY,
    "chat": HTTPStatus.CONFLICT,
    "chat.busy": HTTPStatus.TOO_MANY_REQUESTS,
    "export": HTTPStatus.CONFLICT,
    "action": HTTPStatus.CONFLICT,
    "call": HTTPStatus.CONFLICT,
    "call.not_found": HTTPStatus.NOT_FOUND,
    "action.expired": HTTPStatus.GONE,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "overloaded": HTTPStatus.SERVICE_UNAVAILABLE,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "timeout": HTTPStatus.GATEWAY_TIMEOUT,
    "failed": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Code → HTTP status; a finer code without a row of its own has the status of its longest dotted prefix."""


def status_of(code: str) -> HTTPStatus | None:
    """The status of a code, or None when no prefix of it is in the table."""
    prefix = code
    while prefix not in STATUS:
        prefix, dot, _ = prefix.rpartition(".")
        if not dot:
            return None
    return STATUS[prefix]


def error(refused: Refused, trace: Trace, language: str = ENGLISH) -> dict[str, Any]:
    """`{code, message, fields?, retry_after_ms?, trace_id, effect}`: in an ack, a `session.error`, a refused connect."""
    return {"code": refused.code, "message": sentence(refused, language), **_rest(refused, trace)}


def ack(refused: Refused, trace: Trace, language: str = ENGLISH) -> dict[str, Any]:
    """`{ok: false, error}`."""
    return {"ok": False, "error": error(refused, trace, language)}


def problem(refused: Refused, trace: Trace, language: str = ENGLISH) -> tuple[HTTPStatus, dict[str, Any]]:
    """The status and the RFC 9457 object `{type, title, status, detail, code, …}`."""
    status = status_of(refused.code) or HTTPStatus.UNPROCESSABLE_ENTITY
    described = {
        "type": f"urn:lifebuddy:problem:{refused.code}",
        "title": status.phrase,
        "status": int(status),
        "detail": sentence(refused, language),
        "code": refused.code,
    }
    return status, described | _rest(refused, trace)


def _rest(refused: Refused, trace: Trace) -> dict[str, Any]:
    rest: dict[str, Any] = {"trace_id": str(trace), "effect": refused.effect}
    if refused.fields:
        rest["fields"] = dict(refused.fields)
    if refused.retry_after_ms is not None:
        rest["retry_after_ms"] = refused.retry_after_ms
    return rest
