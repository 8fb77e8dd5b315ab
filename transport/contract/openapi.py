"""The OpenAPI 3.1 document: what the table of routes says, in the words of the specification."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from actors.commands import Id
from actors.runtime.envelope import Refused
from transport import problems
from transport.contract import codes
from transport.contract.codes import Problem
from transport.contract.examples import ID, example
from transport.contract.schemas import AT, Schema, Schemas
from transport.refusals import FactorMissing, NotInRole
from transport.rest.routes import SELECT, Nothing, Route

VERSION: Final = "1.0.0"
ABOUT: Final = """\
A life coach that people talk to. The same commands go in over HTTP and over Socket.IO (`/v1/asyncapi.json`).

Times are RFC 3339 UTC with milliseconds, ids are UUIDs, names are snake_case; unknown fields are refused. Lists come in
pages: `next_cursor` is the `cursor` of the next one. `Idempotency-Key` (any UUID) makes a write happen once, however
often it is sent. Refusals are `application/problem+json` with a stable `code`; `Accept-Language` picks the language of
their `detail`. Within `/v1` things are only ever added: take no notice of fields you do not know.
"""
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any UUID, best a v7: the same key again has no second effect and gives the first answer.",
    "schema": {"type": "string", "format": "uuid"},
    "example": ID,
}
_LANGUAGE: Final = {
    "name": "Accept-Language",
    "in": "header",
    "description": "The language of sentences meant for people.",
    "schema": {"type": "string"},
    "example": "de",
}


_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "description": "An ETag: the change is made only on what the app has seen; else `precondition`.",
    "schema": {"type": "string"},
    "example": '"4f8a0c2d9be1437a5c60d21e"',
}
_FIELDS: Final = {
    "name": SELECT,
    "in": "query",
    "schema": {"type": "string"},
}
_ONLY: Final = "Only these, with commas between: {}. Then the others are left out, required or not."


def document(routes: Sequence[Route]) -> Schema:
    """The whole of it. Every answer there is stands in it, and every code."""
    schemas = Schemas([Problem, Id, *(kind for route in routes for kind in _types(route))])
    paths: Schema = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "LifeBuddy", "version": VERSION, "description": ABOUT, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, routes))],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": _groups(routes),
            "parameters": {"IdempotencyKey": _KEY, "AcceptLanguage": _LANGUAGE, "IfMatch": _IF_MATCH},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "service": {"type": "http", "scheme": "bearer", "description": "An API key that has the scope."},
            },
        },
        "x-codes": codes.listed([*codes.ELSEWHERE, *(kind for route in routes for kind in refusals(route))]),
    }


def refusals(route: Route) -> Iterator[type[Refused]]:
    """All an app may meet on this route: those of its own, and those of its kind."""
    yield from route.refuses
    yield from codes.ANYWHERE
    yield from codes.OVER_HTTP
    if route.opens_to != "everyone":
        yield from codes.SIGNED_IN
    if route.role is not None:
        yield NotInRole
        yield FactorMissing
    if route.method != "GET":
        yield from codes.WRITING


def _security(route: Route) -> list[Schema]:
    match route.opens_to:
        case "user":
            return [{"bearer": [] if route.role is None else [route.role]}]
        case "service":
            return [{"service": [route.scope]}, *([] if route.role is None else [{"bearer": [route.role]}])]
        case "everyone":
            return []


def _types(route: Route) -> Iterator[Any]:
    yield from (kind for kind in (route.query, route.body, *route.answers.values()) if kind not in {None, Nothing})


def _operation(route: Route, schemas: Schemas) -> Schema:
    said: Schema = {"operationId": route.name, "summary": route.summary, "tags": [_tag(route)]}
    if route.handler.__doc__:
        said["description"] = route.handler.__doc__
    said["parameters"] = list(_parameters(route, schemas))
    if route.body is not Nothing:
        content = {"schema": schemas.of(route.body), "example": example(route.body)}
        said["requestBody"] = {"required": True, "content": {"application/json": content}}
    said["responses"] = _responses(route, schemas)
    said["security"] = _security(route)
    if route.deprecated:
        said["deprecated"] = True
    return said


def _parameters(route: Route, schemas: Schemas) -> Iterator[Schema]:
    for name in route.places:
        yield {"name": name, "in": "path", "required": True, "schema": schemas.of(Id), "example": ID}
    if route.query not in {None, Nothing}:
        for name, schema in schemas.fields(route.query).items():
            yield {"name": name, "in": "query", "schema": _without_null(schema)}
    if route.selects:
        yield _FIELDS | {"description": _ONLY.format(", ".join(sorted(route.selects)))}
    if route.guarded:
        yield {"$ref": "#/components/parameters/IfMatch"}
    yield {"$ref": "#/components/parameters/AcceptLanguage"}
    if route.method != "GET":
        yield {"$ref": "#/components/parameters/IdempotencyKey"}


def _responses(route: Route, schemas: Schemas) -> Schema:
    refused = codes.by_status(refusals(route))
    answers = {status: {"$ref": f"#/components/responses/{_group(kinds)}"} for status, kinds in refused.items()}
    for status, kind in route.answers.items():
        answers[status] = _answer(kind, route.media, schemas)
        if status in refused:  # both may come: the kind of content tells them apart
            answers[status]["content"] |= _problem(refused[status])["content"]
    return {str(status): answers[status] for status in sorted(answers)}


def _answer(kind: Any, media: str, schemas: Schemas) -> Schema:
    if kind is None:
        return {"description": "Nothing more to say."}
    example_of = {"example": example(kind)} if media == "application/json" else {}
    return {"description": "As asked.", "content": {media: {"schema": schemas.of(kind), **example_of}}}


def _groups(routes: Sequence[Route]) -> Schema:
    """The refusals that are told with one status, as the routes share them."""
    every = (kinds for route in routes for kinds in codes.by_status(refusals(route)).values())
    return {_group(kinds): _problem(kinds) for kinds in every}


def _group(kinds: Sequence[type[Refused]]) -> str:
    return "-".join(sorted(kind.code for kind in kinds))


def _problem(kinds: Sequence[type[Refused]]) -> Schema:
    one_of = {"properties": {"code": {"enum": sorted(kind.code for kind in kinds)}}}
    given = {
        "schema": {"allOf": [{"$ref": AT + "Problem"}, one_of]},
        "examples": {kind.code: {"value": _example(kind)} for kind in kinds},
    }
    description = " ".join(f"`{kind.code}`: {kind.message}" for kind in kinds)
    return {"description": description, "content": {"application/problem+json": given}}


def _example(kind: type[Refused]) -> Schema:
    body: Schema = problems.problem(codes.refusal_example(kind), str(example(str, "trace_id")))[1]
    return body


def _tag(route: Route) -> str:
    return route.name.partition(".")[0]


def _without_null(schema: Schema) -> Schema:
    """A query says nothing by leaving a parameter out, never by null."""
    if "anyOf" not in schema:
        return schema
    told: list[Schema] = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return told[0] if len(told) == 1 else {"anyOf": told}
