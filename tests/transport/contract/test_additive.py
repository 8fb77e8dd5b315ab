"""The published documents are what the server does, and nothing in them is ever taken away."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transport.contract import asyncapi, openapi
from transport.contract.additive import breaks
from transport.rest.table import ROUTES

PUBLISHED = Path(__file__).parents[3] / "docs" / "api" / "v1"
HTTP = json.loads(json.dumps(openapi.document(ROUTES)))
SOCKETS = json.loads(json.dumps(asyncapi.document()))
Edit = Callable[[Any], Any]


@pytest.mark.parametrize(("name", "current"), [("openapi.json", HTTP), ("asyncapi.json", SOCKETS)])
def test_what_is_published_is_what_is_there(name: str, current: Any) -> None:
    published = json.loads((PUBLISHED / name).read_text())
    assert breaks(published, current) == []
    assert published == current, "run `.venv/bin/python -m scripts.publish_api`"


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


GOAL = "/v1/goals/{goal_id}"
BREAKING: dict[str, tuple[Edit, str]] = {
    "a path": (lambda d: d["paths"].pop(GOAL), f"GET {GOAL} is gone."),
    "a method": (lambda d: d["paths"][GOAL].pop("patch"), f"PATCH {GOAL} is gone."),
    "an operation's name": (
        lambda d: d["paths"][GOAL]["get"].update(operationId="goal.read"),
        f"GET {GOAL} is the operation goal.read; it was goal.get.",
    ),
    "a field that was got": (
        lambda d: schema(d, "Goal")["properties"].pop("effort"),
        "Goal .effort is gone.",
    ),
    "a field that is sent": (
        lambda d: schema(d, "CreateGoal")["properties"].pop("effort"),
        "CreateGoal .effort is gone.",
    ),
    "a new required field": (
        lambda d: schema(d, "CreateGoal").update(required=["title", "area"]),
        "CreateGoal .area is required; it was not.",
    ),
    "a field that may be missing": (
        lambda d: schema(d, "Goal")["required"].remove("title"),
        "Goal .title may be missing; it never was.",
    ),
    "a value": (
        lambda d: schema(d, "CreateGoal")["properties"]["kind"]["enum"].remove("task"),
        "CreateGoal .kind is never 'task' any more.",
    ),
    "another type": (
        lambda d: schema(d, "Goal")["properties"].update(title={"type": "integer"}),
        "Goal .title was string and is integer.",
    ),
    "may now be null": (
        lambda d: schema(d, "Goal")["properties"].update(title={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "Goal .title may be null; it never was.",
    ),
    "a null that is refused": (
        lambda d: schema(d, "CreateGoal")["properties"].update(due={"type": "string", "format": "date"}),
        "CreateGoal .due was null and is string.",
    ),
    "deep inside": (
        lambda d: schema(d, "Metric")["required"].append("current"),
        "Metric .current is required; it was not.",
    ),
    "a narrower bound": (
        lambda d: schema(d, "CreateGoal")["properties"]["title"].update(maxLength=10),
        "CreateGoal .title has a lower maxLength: 10.",
    ),
    "a parameter": (
        lambda d: next(p for p in d["paths"]["/v1/goals"]["get"]["parameters"] if p.get("name") == "cursor").update(
            name="after"
        ),
        "GET /v1/goals ?cursor is gone.",
    ),
    "an answer": (lambda d: d["paths"][GOAL]["get"]["responses"].pop("200"), f"GET {GOAL} → 200 is gone."),
    "a code": (lambda d: d["x-codes"].pop(0), f"The code {HTTP['x-codes'][0]['code']} is gone."),
    "a code's status": (
        lambda d: d["x-codes"][0].update(status=418),
        f"The code {HTTP['x-codes'][0]['code']} has another status, or says otherwise whether to retry.",
    ),
}
BREAKING_SOCKETS: dict[str, tuple[Edit, str]] = {
    "a command": (lambda d: d["channels"]["session"]["messages"].pop("goal.create"), "goal.create is gone."),
    "an event": (
        lambda d: d["channels"]["session"]["messages"].pop("event.goal.created"),
        "event.goal.created is gone.",
    ),
    "a signal's field": (
        lambda d: schema(d, "ReplyDelta")["properties"].pop("index"),
        "ReplyDelta .index is gone.",
    ),
    "an ack's field": (
        lambda d: schema(d, "SentAck")["properties"].pop("reply_id"),
        "SentAck .reply_id is gone.",
    ),
    "a new required field": (
        lambda d: schema(d, "CreateGoal").update(required=["cid", "title", "area"]),
        "CreateGoal .area is required; it was not.",
    ),
}
ADDED: dict[str, Edit] = {
    "a path": lambda d: d["paths"].update({"/v1/new": d["paths"]["/v1/goals"]}),
    "a field to send": lambda d: schema(d, "CreateGoal")["properties"].update(colour={"type": "string"}),
    "a field to get": lambda d: (
        schema(d, "Goal")["properties"].update(colour={"type": "string"}),
        schema(d, "Goal")["required"].append("colour"),
    ),
    "a value": lambda d: schema(d, "CreateGoal")["properties"]["kind"]["enum"].append("dream"),
    "a wider bound": lambda d: schema(d, "CreateGoal")["properties"]["title"].update(maxLength=1000),
    "a code": lambda d: d["x-codes"].append({"code": "new", "status": 409, "message": "New.", "retry": False}),
    "another Struct's name": lambda d: d["components"]["schemas"].update(Renamed=schema(d, "Goal")),
}


def edited(document: Any, edit: Edit) -> Any:
    changed = copy.deepcopy(document)
    edit(changed)
    return changed


@pytest.mark.parametrize(("edit", "sentence"), BREAKING.values(), ids=BREAKING.keys())
def test_what_an_app_would_trip_over_is_told(edit: Edit, sentence: str) -> None:
    assert sentence in breaks(HTTP, edited(HTTP, edit))


@pytest.mark.parametrize(("edit", "sentence"), BREAKING_SOCKETS.values(), ids=BREAKING_SOCKETS.keys())
def test_what_a_device_would_trip_over_is_told(edit: Edit, sentence: str) -> None:
    assert breaks(SOCKETS, edited(SOCKETS, edit)) == [sentence]


@pytest.mark.parametrize("edit", ADDED.values(), ids=ADDED.keys())
def test_what_is_only_added_is_let_through(edit: Edit) -> None:
    assert breaks(HTTP, edited(HTTP, edit)) == []
