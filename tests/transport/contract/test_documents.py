"""Both documents obey their specifications, their examples obey the documents, and no code is left out."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest

from actors.commands import PUBLIC
from actors.events import TYPES
from tests.transport.test_problems import everywhere
from tests.transport.test_problems import refusals as all_refusals
from transport.contract import asyncapi, openapi
from transport.contract.gaps import gaps
from transport.contract.words import SIGNALS, WORDS
from transport.rest.table import ROUTES
from transport.sockets.commands import NAMES

ROOT = Path(__file__).parents[3]
SPECIFICATION = ROOT / "tests/js/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"
HTTP: Any = json.loads(json.dumps(openapi.document(ROUTES)))
SOCKETS: Any = json.loads(json.dumps(asyncapi.document()))
MESSAGES = SOCKETS["channels"]["session"]["messages"]


def test_the_openapi_document_obeys_its_specification() -> None:
    openapi_spec_validator.validate(HTTP)


def test_the_asyncapi_document_obeys_its_specification() -> None:
    jsonschema.Draft7Validator(json.loads(SPECIFICATION.read_text())).validate(SOCKETS)


def valid(document: Any, schema: Any, example: Any) -> None:
    jsonschema.Draft202012Validator(
        {**schema, "components": document["components"]},
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    ).validate(example)


def http_examples() -> Iterator[tuple[str, Any, Any]]:
    """Where, schema, example: of every body there is in the document."""
    for name, response in HTTP["components"]["responses"].items():
        yield from ((name, *one) for one in _of_content(response["content"]))
    for path, methods in HTTP["paths"].items():
        for operation in methods.values():
            where = f"{operation['operationId']} {path}"
            yield from ((where, *one) for one in _of_content(operation.get("requestBody", {}).get("content", {})))
            for response in operation["responses"].values():
                yield from ((where, *one) for one in _of_content(response.get("content", {})))


def _of_content(content: Any) -> Iterator[tuple[Any, Any]]:
    for media, given in content.items():
        if "json" in media:
            examples = [one["value"] for one in given.get("examples", {}).values()] or [given["example"]]
            yield from ((given["schema"], one) for one in examples)


def test_every_example_of_a_body_is_one() -> None:
    found = list(http_examples())
    assert len(found) > 40
    for where, schema, example in found:
        try:
            valid(HTTP, schema, example)
        except jsonschema.ValidationError as error:
            pytest.fail(f"{where}: {error.message} in {error.json_path}")


@pytest.mark.parametrize("key", MESSAGES)
def test_every_example_of_a_message_is_one(key: str) -> None:
    for example in MESSAGES[key]["examples"]:
        valid(SOCKETS, MESSAGES[key]["payload"], example["payload"])


def test_a_body_that_is_none_is_told_apart() -> None:
    body = HTTP["paths"]["/v1/goals"]["post"]["requestBody"]["content"]["application/json"]
    for wrong in ({}, {"title": ""}, {"title": "Run", "$where": 1}, {"title": "Run", "kind": "dream"}):
        with pytest.raises(jsonschema.ValidationError):
            valid(HTTP, body["schema"], wrong)


def test_every_route_command_event_and_signal_is_in_a_document() -> None:
    assert {(method.upper(), path) for path, methods in HTTP["paths"].items() for method in methods} == {
        (route.method, route.path) for route in ROUTES
    }
    commands = {name for name, one in SOCKETS["operations"].items() if one["action"] == "receive"}
    assert commands == NAMES
    assert {f"event.{kind}" for kind in TYPES} | {f"signal.{kind}" for kind in SIGNALS} | set(WORDS) < set(MESSAGES)
    assert all(f"{name}.ack" in MESSAGES for name in PUBLIC)


def test_every_signal_that_is_sent_is_listed() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "actors").rglob("*.py"))
    sent = re.findall(r"\.signal\(\s*[^,()]+,\s*\"([a-z.]+)\"", source)
    assert sent
    assert set(sent) <= SIGNALS.keys()


def test_every_code_is_in_a_document_with_its_sentence_and_whether_to_retry() -> None:
    everywhere()
    assert list(gaps()) == []
    listed = {one["code"]: one for document in (HTTP, SOCKETS) for one in document["x-codes"]}
    for kind in all_refusals():
        if kind.code in listed and kind.__name__ != "TooMuch":  # too_large has two sentences
            assert (listed[kind.code]["message"], listed[kind.code]["retry"]) == (kind.message, kind.retry)
