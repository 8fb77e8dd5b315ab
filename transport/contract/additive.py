"""Whether a document only adds to the one that was published: every app that reads the old one goes on working."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final, Literal

from transport.contract.schemas import Schema

Way = Literal["sent", "got"]
"""Seen from an app: what it sends must go on being accepted, what it gets must go on being what it was."""
_LOWEST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_HIGHEST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaks(published: Schema, current: Schema) -> list[str]:
    """A sentence for everything that an app could trip over; none, when things were only added."""
    both = _Both(published, current)
    found = both.codes() if "x-codes" in published else iter(())
    compared = both.http() if "openapi" in published else both.sockets()
    return list(dict.fromkeys(chain(compared, found)))


class _Both:
    """Two documents, walked side by side. `_walked` keeps Structs that hold themselves from going round for ever."""

    def __init__(self, published: Schema, current: Schema) -> None:
        self._published = published
        self._current = current
        self._walked: set[tuple[str, str, Way]] = set()

    # ── what each kind of document is made of ────────────────────────────────────────────────────────────────────

    def http(self) -> Iterator[str]:
        for path, methods in self._published["paths"].items():
            now = self._current["paths"].get(path, {})
            for method, operation in methods.items():
                where = f"{method.upper()} {path}"
                if method in now:
                    yield from self._operation(where, operation, now[method])
                else:
                    yield f"{where} is gone."

    def sockets(self) -> Iterator[str]:
        before, now = (document["channels"]["session"]["messages"] for document in (self._published, self._current))
        asked = {name for name, one in self._published["operations"].items() if one["action"] == "receive"}
        for key, message in before.items():
            if key not in now:
                yield f"{key} is gone."
            elif now[key]["name"] != message["name"]:
                yield f"{key} is called {now[key]['name']}; it was {message['name']}."
            else:
                way: Way = "sent" if key in asked else "got"
                yield from self._schema(key, message["payload"], now[key]["payload"], way)

    def codes(self) -> Iterator[str]:
        now = {one["code"]: one for one in self._current["x-codes"]}
        for one in self._published["x-codes"]:
            if one["code"] not in now:
                yield f"The code {one['code']} is gone."
            elif any(now[one["code"]][what] != one[what] for what in ("status", "retry")):
                yield f"The code {one['code']} has another status, or says otherwise whether to retry."

    def _operation(self, where: str, before: Schema, now: Schema) -> Iterator[str]:
        if before["operationId"] != now["operationId"]:
            yield f"{where} is the operation {now['operationId']}; it was {before['operationId']}."
        if before["security"] != now["security"] and before["security"] == []:
            yield f"{where} asks who it is; it did not."
        yield from self._parameters(where, before["parameters"], now["parameters"])
        yield from self._body(where, before, now)
        for status, answer in before["responses"].items():
            if status < "300":
                yield from self._answer(f"{where} → {status}", answer, now["responses"].get(status))

    def _parameters(self, where: str, before: list[Schema], now: list[Schema]) -> Iterator[str]:
        earlier = {one["name"]: one for one in map(self._old, before)}
        later = {one["name"]: one for one in map(self._new, now)}
        for name, one in earlier.items():
            if name in later:
                yield from self._schema(f"{where} ?{name}", one["schema"], later[name]["schema"], "sent")
            elif one["in"] != "path":
                yield f"{where} ?{name} is gone."
        for name in later.keys() - earlier.keys():
            if later[name].get("required") and later[name]["in"] != "path":
                yield f"{where} ?{name} is new and required."

    def _body(self, where: str, before: Schema, now: Schema) -> Iterator[str]:
        if "requestBody" in before and "requestBody" in now:
            yield from self._schema(where, _json_of(before["requestBody"]), _json_of(now["requestBody"]), "sent")
        elif "requestBody" in before:
            yield f"{where} takes no body; it did."
        elif "requestBody" in now and self._new(_json_of(now["requestBody"])).get("required"):
            yield f"{where} has a body with a required field; it had none."

    def _answer(self, where: str, before: Schema, now: Schema | None) -> Iterator[str]:
        if now is None:
            yield f"{where} is gone."
            return
        for media, content in before.get("content", {}).items():
            if media in now.get("content", {}):
                yield from self._schema(where, content["schema"], now["content"][media]["schema"], "got")
            else:
                yield f"{where} is no longer {media}."

    # ── schemas ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _schema(self, where: str, before: Schema, now: Schema, way: Way) -> Iterator[str]:
        earlier, later = self._variants(before, self._old), self._variants(now, self._new)
        for kind, one in earlier.items():
            if kind not in later:
                yield f"{where} was {kind} and is {' or '.join(sorted(later))}."
            else:
                yield from self._alike(where, one, later[kind], way)
        if way == "got" and (more := later.keys() - earlier.keys()):
            yield f"{where} may be {' or '.join(sorted(more))}; it never was."

    def _alike(self, where: str, before: Schema, now: Schema, way: Way) -> Iterator[str]:
        if title := before.get("title", ""):
            where, met = title, (title, now.get("title", ""), way)
            if met in self._walked:
                return
            self._walked.add(met)
        gone = [value for value in _values(before) if "enum" in now or "const" in now if value not in _values(now)]
        yield from (f"{where} is never {value!r} any more." for value in gone)
        if way == "sent":
            yield from _narrower(where, before, now)
        yield from self._fields(where, before, now, way)
        for inner in ("items", "additionalProperties"):
            if isinstance(before.get(inner), dict) and isinstance(now.get(inner), dict):
                yield from self._schema(f"{where}[]", before[inner], now[inner], way)

    def _fields(self, where: str, before: Schema, now: Schema, way: Way) -> Iterator[str]:
        fields = now.get("properties", {})
        for name, schema in before.get("properties", {}).items():
            if name in fields:
                yield from self._schema(f"{where} .{name}", schema, fields[name], way)
            else:
                yield f"{where} .{name} is gone."
        required, was = set(now.get("required", ())), set(before.get("required", ()))
        if way == "sent":
            yield from (f"{where} .{name} is required; it was not." for name in sorted(required - was))
        else:
            yield from (
                f"{where} .{name} may be missing; it never was." for name in sorted((was - required) & fields.keys())
            )

    def _variants(self, schema: Schema, resolved: Any) -> Mapping[str, Schema]:
        """What a value may be, by its JSON type."""
        found: dict[str, Schema] = {}
        for one in map(resolved, resolved(schema).get("anyOf", [schema])):
            types = one.get("type") or sorted({_TYPES[type(value)] for value in _values(one)}) or "anything"
            found |= dict.fromkeys([types] if isinstance(types, str) else types, one)
        return found

    def _old(self, schema: Schema) -> Schema:
        return _resolved(self._published, schema)

    def _new(self, schema: Schema) -> Schema:
        return _resolved(self._current, schema)


_TYPES: Final = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def _resolved(document: Schema, schema: Schema) -> Schema:
    found: Any = schema
    while "$ref" in found:
        path = found["$ref"].removeprefix("#/").split("/")
        found = document
        for step in path:
            found = found[step]
    return dict(found)


def _json_of(body: Schema) -> Schema:
    schema: Schema = body["content"]["application/json"]["schema"]
    return schema


def _values(schema: Schema) -> list[Any]:
    return list(schema.get("enum", [schema["const"]] if "const" in schema else []))


def _narrower(where: str, before: Schema, now: Schema) -> Iterator[str]:
    for bound in _LOWEST:
        if bound in now and now[bound] > before.get(bound, float("-inf")):
            yield f"{where} has a higher {bound}: {now[bound]}."
    for bound in _HIGHEST:
        if bound in now and now[bound] < before.get(bound, float("inf")):
            yield f"{where} has a lower {bound}: {now[bound]}."
    if "pattern" in now and now["pattern"] != before.get("pattern"):
        yield f"{where} has another pattern."
