"""JSON Schemas of Structs, as both documents carry them under `components`."""

import itertools
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final, get_args

import msgspec
from msgspec import UNSET

Schema = dict[str, Any]
AT: Final = "#/components/schemas/"


class Schemas:
    """The schemas of `types`, and of every Struct inside them, each under its own name.

    What is only ever answered requires all its fields: they are always there, so nobody needs to ask whether.
    """

    def __init__(self, types: Iterable[Any]) -> None:
        self._types = list(dict.fromkeys(itertools.chain.from_iterable(_inside(kind) for kind in types)))
        made = msgspec.json.schema_components(self._types, ref_template=AT + "{name}")
        found, self.components = msgspec.json.decode(msgspec.json.encode(made), type=tuple[list[Schema], Schema])
        self._by_type: Mapping[Any, Schema] = dict(zip(self._types, found, strict=True))
        for kind, schema in self._by_type.items():
            if _is_struct(kind) and not kind.__struct_config__.forbid_unknown_fields:
                self.components[schema["$ref"].removeprefix(AT)]["required"] = list(_always(kind))

    def of(self, kind: Any) -> Schema:
        """The schema of one of the types: a reference, for a Struct."""
        return self._by_type[kind]

    def fields(self, kind: type[msgspec.Struct]) -> Mapping[str, Schema]:
        """The schemas of a Struct's fields, by name."""
        fields: Mapping[str, Schema] = self.components[self.of(kind)["$ref"].removeprefix(AT)]["properties"]
        return fields


def grown(kind: type[msgspec.Struct], name: str, **more: Any) -> type[msgspec.Struct]:
    """A Struct like `kind`, with these fields of these types before its own."""
    own = [_field(field) for field in msgspec.structs.fields(kind) if field.name not in more]
    strict = kind.__struct_config__.forbid_unknown_fields
    namespace = {"__doc__": kind.__doc__}
    return msgspec.defstruct(
        name, [*more.items(), *own], frozen=True, kw_only=True, forbid_unknown_fields=strict, namespace=namespace
    )


def without(kind: type[msgspec.Struct], names: Container[str], name: str) -> type[msgspec.Struct]:
    """A Struct like `kind` that lacks the fields of these names, and refuses them."""
    own = [_field(field) for field in msgspec.structs.fields(kind) if field.name not in names]
    return msgspec.defstruct(name, own, frozen=True, kw_only=True, forbid_unknown_fields=True)


def _field(field: msgspec.structs.FieldInfo) -> tuple[str, Any, Any]:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.name, field.type, msgspec.field(default_factory=field.default_factory)
    return field.name, field.type, msgspec.field(default=field.default)


def _inside(kind: Any) -> Iterator[Any]:
    """A type and the Structs in its fields, however deep; `msgspec` finds them too, and does not say which is which."""
    waiting, seen = [kind], set[Any]()
    yield kind
    while waiting:
        one = waiting.pop()
        if _is_struct(one) and one not in seen:
            seen.add(one)
            yield one
            waiting += [field.type for field in msgspec.structs.fields(one)]
        else:
            waiting += get_args(one)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _always(kind: type[msgspec.Struct]) -> Iterator[str]:
    return (field.encode_name for field in msgspec.structs.fields(kind) if field.default is not UNSET)
