"""What a request asks for beside the thing itself: its language, its kind, some of its fields, only what is new."""

import dataclasses
from datetime import date

import pytest

from actors.domain.refusals import NotFound
from tests.transport.conftest import StartNode
from tests.transport.rest.test_door import ANN, call
from transport.rest.serving import TABLE
from transport.sentences import SENTENCES, read_languages

GERMAN = SENTENCES["de"]["not_found"]


@pytest.mark.parametrize(
    ("wanted", "language", "detail"),
    [
        ("de", "de", GERMAN),
        ("de-AT, en;q=0.8", "de", GERMAN),
        ("fr, de;q=0.5, en;q=0.4", "de", GERMAN),
        ("DE;q=0.1", "de", GERMAN),
        ("en, de", "en", NotFound.message),
        ("de;q=0.4, en;q=0.5", "en", NotFound.message),
        ("de;q=0", "en", NotFound.message),
        ("fr", "en", NotFound.message),
        ("*", "en", NotFound.message),
        (";;q=,=,\u00e9", "en", NotFound.message),
    ],
)
async def test_refusals_speak_the_language_that_was_asked_for(
    start_node: StartNode, wanted: str, language: str, detail: str
) -> None:
    node = await start_node()
    _, problem, headers = await call(node, "GET", "/nowhere", headers={"Accept-Language": wanted})
    assert (headers["Content-Language"], problem["detail"]) == (language, detail)


def test_a_long_list_of_languages_is_not_read_to_its_end() -> None:
    assert read_languages("fr," * 100_000 + "de") == "en"


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("APPLICATION/*;q=0.1", 200),
        ("text/html,*/*;q=0.8", 200),
        ("", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json; q=0.000, text/plain", 406),
        ("application/problem+json", 406),
    ],
)
async def test_what_nobody_can_read_is_not_sent(start_node: StartNode, accept: str, status: int) -> None:
    node = await start_node()
    got, body, _ = await call(node, "GET", "/v1/me", headers={"Accept": accept})
    assert got == status
    if status == 406:
        assert body["code"] == "not_acceptable"
    async with node.http.get("/docs", headers={"Accept": "text/html"}) as page:
        assert page.status == 200


async def test_options_says_what_there_is(start_node: StartNode) -> None:
    node = await start_node()
    async with node.http.options("/v1/goals") as answer:
        assert answer.status == 204
        assert {one.strip() for one in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "POST"}
    async with node.http.options("/nowhere") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", ["/v1/me", "/v1/goals", "/healthz", "/docs", "/v1/openapi.json"])
async def test_head_is_get_without_its_body(start_node: StartNode, path: str) -> None:
    node = await start_node()
    async with node.http.get(path, headers=ANN) as full, node.http.head(path, headers=ANN) as bare:
        assert bare.status == full.status == 200
        assert await bare.read() == b""
        for header in ("Content-Type", "Content-Length", "ETag", "Content-Security-Policy"):
            assert bare.headers.get(header) == full.headers.get(header), header
    async with node.http.head(path, headers=ANN | {"Authorization": "Bearer forged"}) as forged:
        assert forged.status == (200 if path in {"/healthz", "/docs", "/v1/openapi.json"} else 401)


async def test_only_the_fields_that_were_asked_for_are_sent(start_node: StartNode) -> None:
    node = await start_node()
    goal = (await call(node, "POST", "/v1/goals", {"title": "run"}))[1]["goal"]
    assert (await call(node, "GET", f"/v1/goals/{goal['id']}?fields=title,status"))[1] == {
        "title": "run",
        "status": "open",
    }
    assert (await call(node, "GET", "/v1/goals?fields=id&limit=10"))[1] == {
        "items": [{"id": goal["id"]}],
        "next_cursor": None,
    }
    assert (await call(node, "GET", "/v1/me?fields=name"))[1] == {"name": "Ann"}
    for wrong in ("", "title,secret", "items", "__class__", ",", "title,"):
        status, problem, _ = await call(node, "GET", f"/v1/goals?fields={wrong}")
        assert (status, problem["fields"]) == (400, {"fields": "names a field that is not there"})


async def test_what_has_not_changed_is_not_sent_again(start_node: StartNode) -> None:
    node = await start_node()
    created = await call(node, "POST", "/v1/goals", {"title": "run"})
    where = f"/v1/goals/{created[1]['goal']['id']}"
    status, goal, headers = await call(node, "GET", where)
    tag = headers["ETag"]
    assert tag.startswith('"')
    assert tag == (await call(node, "PATCH", where, {"title": "run"}))[2]["ETag"]
    for known in (tag, f'"other", {tag}', "*"):
        status, body, again = await call(node, "GET", where, headers={"If-None-Match": known})
        assert (status, body, again["ETag"]) == (304, None, tag)
    await call(node, "POST", where + "/complete")
    status, body, changed = await call(node, "GET", where, headers={"If-None-Match": tag})
    assert (status, body["status"], goal["status"]) == (200, "done", "open")
    assert changed["ETag"] != tag


async def test_what_is_left_behind_says_so_and_until_when(start_node: StartNode) -> None:
    node = await start_node()
    lines = node.app[TABLE]
    lines["GET", "/v1/me"] = dataclasses.replace(
        lines["GET", "/v1/me"], deprecated=date(2026, 1, 5), sunset=date(2027, 1, 5)
    )
    for token in ("ann/s1", "forged"):
        _, _, headers = await call(node, "GET", "/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert headers["Deprecation"] == "@1767571200"
        assert headers["Sunset"] == "Tue, 05 Jan 2027 00:00:00 GMT"
        assert headers["Link"] == '</docs>; rel="deprecation"; type="text/html"'
    _, _, headers = await call(node, "GET", "/v1/goals")
    assert not {"Deprecation", "Sunset", "Link"} & headers.keys()
