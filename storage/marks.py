"""Where the private fields of a type are: read once from its annotations, then applied to values of that type."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Protocol

import msgspec
from msgspec import inspect

from actors.domain.private import MARK

Change = Callable[[Any, str], Any]
"""From a private value and its path, such as `metric.unit` or `steps.0.text`, to what stands in its place."""


class Marked(Protocol):
    """A place in a type under which something is private."""

    def change(self, value: Any, path: str, change: Change) -> Any:
        """A copy of the value (builtins) with every private part changed; None stays None."""


class Whole:
    """The value itself is private."""

    def change(self, value: Any, path: str, change: Change) -> Any:
        return None if value is None else change(value, path)


class Fields(msgspec.Struct):
    """A Struct: some of its fields, by their encoded names, hold something private."""

    marked: tuple[tuple[str, Marked], ...] = ()

    def change(self, value: Any, path: str, change: Change) -> Any:
        if not isinstance(value, dict):
            return value
        changed = dict(value)
        prefix = f"{path}." if path else ""
        for name, mark in self.marked:
            if name in changed:
                changed[name] = mark.change(changed[name], prefix + name, change)
        return changed


class Elements(msgspec.Struct, frozen=True):
    """A list, tuple or set: each element holds something private."""

    element: Marked

    def change(self, value: Any, path: str, change: Change) -> Any:
        if not isinstance(value, list | tuple):
            return value
        return [self.element.change(one, f"{path}.{index}", change) for index, one in enumerate(value)]


class Positions(msgspec.Struct, frozen=True):
    """A tuple of fixed length: some of its positions hold something private."""

    marked: tuple[Marked | None, ...]

    def change(self, value: Any, path: str, change: Change) -> Any:
        if not isinstance(value, list | tuple):
            return value
        pairs = enumerate(zip(value, self.marked, strict=True))
        return [mark.change(one, f"{path}.{index}", change) if mark else one for index, (one, mark) in pairs]


class Values(msgspec.Struct, frozen=True):
    """A dict: each of its values holds something private."""

    one: Marked

    def change(self, value: Any, path: str, change: Change) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: self.one.change(one, f"{path}.{key}", change) for key, one in value.items()}


class Tagged(msgspec.Struct, frozen=True):
    """One of several Structs, told apart by their tag."""

    field: str
    by_tag: dict[str | int | None, Marked]

    def change(self, value: Any, path: str, change: Change) -> Any:
        mark = self.by_tag.get(value.get(self.field)) if isinstance(value, dict) else None
        return mark.change(value, path, change) if mark else value


@cache
def marks(type: type[msgspec.Struct]) -> Marked | None:  # noqa: A002 - the word msgspec uses
    """Where that type holds something private; None when nowhere.

    A field counts with its annotated type: what a subclass of it adds is not seen. Raises TypeError for a mark where
    a value could not be put back (the key of a dict, a Struct without field names, Structs that carry no tag).
    """
    return _marks(inspect.type_info(type), {})


def _marks(found: inspect.Type, seen: dict[Any, Fields | None]) -> Marked | None:  # noqa: PLR0911 - a table of types
    match found:
        case inspect.Metadata(type=inner, extra=extra):
            return Whole() if extra and extra.get(MARK) else _marks(inner, seen)
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return _of_fields(found, seen)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            element = _marks(found.item_type, seen)
            return Elements(element) if element else None
        case inspect.TupleType():
            return _of_positions([_marks(item, seen) for item in found.item_types])
        case inspect.DictType():
            return _of_dict(found, seen)
        case inspect.UnionType():
            return _of_union(found, seen)
        case _:
            return None


def _of_fields(
    found: inspect.StructType | inspect.DataclassType | inspect.TypedDictType,
    seen: dict[Any, Fields | None],
) -> Marked | None:
    if found.cls in seen:  # None, or its node; one that holds itself finds its own, filled in by the time it is used
        return seen[found.cls]
    node = seen[found.cls] = Fields()
    pairs = ((field.encode_name, _marks(field.type, seen)) for field in found.fields)
    node.marked = tuple((name, mark) for name, mark in pairs if mark)
    if not node.marked:
        seen[found.cls] = None
        return None
    if getattr(found, "array_like", False):
        raise TypeError(f"{found.cls.__name__} has private fields and is written without field names")
    return node


def _of_positions(positions: Iterable[Marked | None]) -> Marked | None:
    marked = tuple(positions)
    return Positions(marked) if any(marked) else None


def _of_dict(found: inspect.DictType, seen: dict[Any, Fields | None]) -> Marked | None:
    if _marks(found.key_type, seen):
        raise TypeError("the key of a dict can't be private")
    one = _marks(found.value_type, seen)
    return Values(one) if one else None


def _of_union(found: inspect.UnionType, seen: dict[Any, Fields | None]) -> Marked | None:
    pairs = [(member, _marks(member, seen)) for member in found.types]
    marked = [(member, mark) for member, mark in pairs if mark]
    if not marked:
        return None
    if any(isinstance(mark, Whole) for _, mark in marked):
        return Whole()
    if len(marked) == 1:
        return marked[0][1]
    tagged = {member.tag: mark for member, mark in marked if isinstance(member, inspect.StructType)}
    if len(tagged) != len(marked) or None in tagged:
        raise TypeError(f"private fields in a union that carries no tags: {found}")
    first = next(member for member, _ in marked if isinstance(member, inspect.StructType))
    return Tagged(str(first.tag_field), dict(tagged))
