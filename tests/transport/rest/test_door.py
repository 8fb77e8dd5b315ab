"""What every REST request goes through, whatever it asks for: refusals as problems, limits, origin, who is asking, cid."""

import asyncio
import inspect
import io
import json
import uuid
from ipaddress import ip_network
from typing import Any

import pytest

from actors.commands import PUBLIC
from actors.runtime.envelope import Overloaded
from tests.transport.conftest import ORIGIN, Node, StartNode
from transport.rest.doors import Limits
from transport.rest.routes import Nothing, Route
from transport.rest.table import ROUTES

ANN = {"Authorization": "Bearer ann/s1"}


async def call(
    node: Node,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any, Any]:
    raw = json.dumps(body).encode() if body is not None else None
    given = {**ANN, **({"Content-Type": "application/json"} if raw is not None else {}), **(headers or {})}
    async with node.http.request(method, path, data=raw, headers=given) as answer:
        text = await answer.text()
        return answer.status, json.loads(text) if text else None, answer.headers


POLLING = "/socket.io/?EIO=4&transport=polling"
PUBLISHED = {"/docs", "/v1/openapi.json"}
CLOSED = [route for route in ROUTES if route.opens_to != "everyone"]


def path_of(route: Route) -> str:
    """The path with ids that name nothing."""
    return route.path.format(**dict.fromkeys(route.places, str(uuid.uuid4())))


async def test_only_the_table_is_served(start_node: StartNode) -> None:
    node = await start_node()
    served = {
        (route.method, resource.canonical)
        for resource in node.app.router.resources()
        for route in resource
        if resource.canonical not in node.doors.own_doors and route.method != "HEAD"
    }
    assert served == {(route.method, route.path) for route in ROUTES}
    assert len({route.name for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_handler_takes_what_its_line_says(route: Route) -> None:
    given = [shape for shape in (route.query, route.body) if shape not in {None, Nothing}]
    parameters = list(inspect.signature(route.handler, eval_str=True).parameters.values())[1:]
    if route.name in PUBLIC:
        assert given == [] or len(parameters) == 1
    else:
        assert [parameter.annotation for parameter in parameters] == given


async def test_every_route_asks_who_it_is_but_the_open_ones(start_node: StartNode) -> None:
    node = await start_node()
    assert len(CLOSED) >= 13
    for route in CLOSED:
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer forged"}, {"Authorization": "Basic eA=="}):
            status, problem, answer = await call(node, route.method, path_of(route), headers=headers)
            assert (route.name, status) == (route.name, 401)
            assert problem["code"] == "unauthenticated"
            assert answer["WWW-Authenticate"] == "Bearer"


async def test_a_revoked_login_session_is_told_apart(start_node: StartNode) -> None:
    node = await start_node()
    node.logins.revoke("s1")
    status, problem, _ = await call(node, "GET", "/v1/me")
    assert (status, problem["code"]) == (401, "auth.revoked")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/goals/", 404, "not_found"),
        ("GET", "/v1/../etc/passwd", 404, "not_found"),
        ("PUT", "/v1/goals", 405, "method"),
        ("DELETE", "/v1/me", 405, "method"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    start_node: StartNode,
    method: str,
    path: str,
    status: int,
    code: str,
) -> None:
    node = await start_node()
    got, problem, headers = await call(node, method, path)
    assert (got, problem["code"], problem["status"]) == (status, code, status)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["X-Trace-Id"] == problem["trace_id"]
    assert ("Allow" in headers) == (status == 405)


async def test_every_answer_carries_what_browsers_must_heed(start_node: StartNode) -> None:
    node = await start_node()
    for path in ("/v1/me", "/nowhere", "/healthz", "/", "/docs", "/v1/openapi.json", POLLING):
        _, _, headers = await call_text(node, path)
        assert headers["Cache-Control"] == ("no-store" if path not in PUBLISHED else "public, max-age=300")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "aiohttp" not in headers["Server"]


async def call_text(node: Node, path: str, headers: dict[str, str] | None = None) -> tuple[int, str, Any]:
    async with node.http.get(path, headers=headers or ANN) as answer:
        return answer.status, await answer.text(), answer.headers


async def test_over_tls_browsers_are_told_to_stay_there(start_node: StartNode) -> None:
    proxied = {"X-Forwarded-Proto": "https"}
    open_node = await start_node()
    behind = await start_node(rest={"trusted_proxies": (ip_network("127.0.0.0/8"),)})
    for node, given, told in (
        (open_node, proxied, None),
        (behind, {}, None),
        (behind, {"X-Forwarded-Proto": "https, http"}, None),
        (behind, proxied, "max-age=31536000"),
    ):
        for path in ("/v1/me", "/nowhere", "/docs"):
            _, _, headers = await call_text(node, path, ANN | given)
            assert headers.get("Strict-Transport-Security") == told


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
async def test_only_json_is_read(start_node: StartNode, headers: dict[str, str]) -> None:
    node = await start_node()
    async with node.http.post("/v1/goals", data=b'{"title":"x"}', headers=ANN | headers) as answer:
        assert answer.status == 415
        assert (await answer.json(content_type=None))["code"] == "unsupported"


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_has_a_largest_size_however_it_is_sent(start_node: StartNode, chunked: bool) -> None:  # noqa: FBT001
    node = await start_node()
    raw = b'{"title":"' + b"x" * (256 * 1024) + b'"}'

    async def pieces() -> Any:
        for start in range(0, len(raw), 8_192):
            yield raw[start : start + 8_192]

    data = pieces() if chunked else io.BytesIO(raw)
    headers = ANN | {"Content-Type": "application/json"}
    async with node.http.post("/v1/goals", data=data, headers=headers) as answer:
        assert answer.status == 413
        assert (await answer.json(content_type=None))["code"] == "too_large"
    assert node.sessions["ann"].seq == 0


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b"\xff", b'{"title":5}', b'{"title":"x","$where":1}', b"null", b"[" * 9_000]
)
async def test_a_body_that_cannot_be_read_is_invalid_and_names_the_path(start_node: StartNode, raw: bytes) -> None:
    node = await start_node()
    headers = ANN | {"Content-Type": "application/json"}
    async with node.http.post("/v1/goals", data=raw, headers=headers) as answer:
        problem = await answer.json(content_type=None)
    assert (answer.status, problem["code"]) == (400, "invalid")
    assert problem["fields"]
    assert node.sessions["ann"].seq == 0


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", ORIGIN + ".evil.example"])
async def test_pages_from_elsewhere_are_refused(start_node: StartNode, origin: str) -> None:
    node = await start_node()
    for headers in ({"Origin": origin}, {"Origin": origin, "X-Forwarded-Host": origin.partition("://")[2]}):
        status, problem, answer = await call(node, "POST", "/v1/goals", {"title": "x"}, headers)
        assert (status, problem["code"]) == (403, "forbidden")
        assert "Access-Control-Allow-Origin" not in answer
    assert node.sessions["ann"].seq == 0


async def test_listed_pages_may_ask_and_read_refusals(start_node: StartNode) -> None:
    node = await start_node()
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    async with node.http.options("/v1/goals", headers=headers) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    for path in ("/v1/goals", "/v1/goals?limit=x", "/nowhere"):
        _, _, seen = await call(node, "GET", path, headers={"Origin": ORIGIN})
        assert seen["Access-Control-Allow-Origin"] == ORIGIN
        assert seen["Vary"] == "Origin, Accept-Language"


async def test_a_key_makes_a_write_happen_once(start_node: StartNode) -> None:
    node = await start_node()
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = await call(node, "POST", "/v1/goals", {"title": "run"}, key)
    again = await call(node, "POST", "/v1/goals", {"title": "run"}, key)
    assert first[:2] == again[:2]
    assert "Idempotency-Replayed" not in first[2]
    assert again[2]["Idempotency-Replayed"] == "true"
    other = await call(node, "POST", "/v1/goals", {"title": "swim"}, key)
    assert (other[0], other[1]["code"]) == (409, "conflict.cid")
    bad = await call(node, "POST", "/v1/goals", {"title": "run"}, {"Idempotency-Key": "mine"})
    assert (bad[0], list(bad[1]["fields"])) == (400, ["Idempotency-Key"])
    assert node.sessions["ann"].seq == 1


async def test_without_a_key_each_write_is_its_own(start_node: StartNode) -> None:
    node = await start_node()
    for _ in range(2):
        await call(node, "POST", "/v1/goals", {"title": "run"})
    assert len(node.sessions["ann"].goals) == 2
    assert all(uuid.UUID(cid).version == 7 for cid in node.sessions["ann"].answers)


async def test_overload_says_when_to_come_again(start_node: StartNode) -> None:
    node = await start_node()

    async def full(_message: Any) -> None:
        raise Overloaded(retry_after_ms=1_200)

    node.sessions["ann"].before = full
    status, problem, headers = await call(node, "GET", "/v1/me")
    assert (status, problem["code"], problem["retry_after_ms"]) == (503, "overloaded", 1_200)
    assert headers["Retry-After"] == "2"


async def test_a_bug_is_a_500_without_its_text_and_is_logged_once_without_values(
    start_node: StartNode,
    capsys: pytest.CaptureFixture[str],
) -> None:
    node = await start_node()

    async def broken(_message: Any) -> None:
        raise RuntimeError("SECRET")

    node.sessions["ann"].before = broken
    status, problem, _ = await call(node, "PATCH", "/v1/me", {"name": "SECRET"})
    assert (status, problem["code"], problem["effect"]) == (500, "failed", "unknown")
    told = capsys.readouterr().out
    assert told.count("rest.failed") == 1
    assert problem["trace_id"] in told
    assert "SECRET" not in told + json.dumps(problem)


async def test_a_request_ends_within_its_time(start_node: StartNode) -> None:
    node = await start_node(rest={"limits": Limits(request=0.2)})

    async def slow(_message: Any) -> None:
        await asyncio.sleep(5)

    node.sessions["ann"].before = slow
    status, problem, _ = await call(node, "GET", "/v1/me")
    assert (status, problem["code"], problem["effect"]) == (504, "timeout", "none")
    status, problem, _ = await call(node, "POST", "/v1/goals", {"title": "x"})
    assert (status, problem["effect"]) == (504, "unknown")


async def test_the_session_sees_the_trace_the_client_can_quote(start_node: StartNode) -> None:
    node = await start_node()
    _, _, headers = await call(node, "GET", "/v1/me")
    assert headers["X-Trace-Id"] == node.sessions["ann"].traces[-1]


async def test_metrics_are_for_listed_addresses_only(start_node: StartNode) -> None:
    node = await start_node()
    await call(node, "GET", f"/v1/goals/{uuid.uuid4()}")
    status, text, _ = await call_text(node, "/metrics")
    assert status == 200
    assert 'rest_requests_total{method="GET",route="/v1/goals/{goal_id}",status="404"} 1.0' in text
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
        assert (await call_text(node, "/metrics", headers))[0] == 403
    elsewhere = await start_node(rest={"metrics_from": (ip_network("10.0.0.0/8"),)})
    assert (await call_text(elsewhere, "/metrics"))[0] == 403


async def test_routes_of_the_sign_in_are_served(start_node: StartNode) -> None:
    node = await start_node()
    given = {"email": "a@b.c", "password": "x"}
    assert (await call(node, "POST", "/v1/auth/login", given, {"Authorization": ""}))[0] == 200
    assert (await call(node, "POST", "/v1/auth/logout", {}))[0] == 204
    assert (await call(node, "POST", "/v1/auth/logout", {}, {"Authorization": ""}))[0] == 401


@pytest.mark.parametrize(("path", "body"), [("/v1/auth/logout?all=true", None), ("/v1/auth/logout", {"all": True})])
async def test_what_a_route_does_not_know_is_refused(start_node: StartNode, path: str, body: Any) -> None:
    node = await start_node()
    status, problem, _ = await call(node, "POST", path, body)
    assert (status, problem["fields"]) == (400, {"all": "is not a known field"})
