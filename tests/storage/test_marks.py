"""Which parts of a value count as private, by the annotations of its type."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from actors.domain.private import PrivateText, private
from storage.marks import marks


class Inner(msgspec.Struct):
    secret: PrivateText
    open: int = 1


class Left(msgspec.Struct, tag="left"):
    secret: PrivateText


class Right(msgspec.Struct, tag="right"):
    open: int


class Other(msgspec.Struct, tag="other"):
    secret: PrivateText


class Tree(msgspec.Struct):
    title: PrivateText
    parts: "list[Tree]" = []


class Everything(msgspec.Struct, rename="camel", kw_only=True):
    plain_text: str = "plain"
    private_text: PrivateText = "s1"
    bounded: Annotated[str, private(max_length=9)] = "s2"
    maybe_none: PrivateText | None = None
    maybe_some: PrivateText | None = "s3"
    not_given: PrivateText | UnsetType = UNSET
    either: PrivateText | int = 7
    whole: Annotated[Inner, Meta(extra={"private": True})] = msgspec.field(default_factory=lambda: Inner("s4"))
    inner: Inner | None = msgspec.field(default_factory=lambda: Inner("s5"))
    many: tuple[PrivateText, ...] = ("s6", "s7")
    fixed: tuple[int, PrivateText] = (1, "s8")
    by_name: dict[str, Inner] = msgspec.field(default_factory=lambda: {"x": Inner("s9")})
    structs: list[Inner] = msgspec.field(default_factory=lambda: [Inner("s10"), Inner("s11")])
    one_of: Left | Right | Other = msgspec.field(default_factory=lambda: Other("s12"))
    other: Left | Right | Other = msgspec.field(default_factory=lambda: Right(3))
    tree: Tree = msgspec.field(default_factory=lambda: Tree("s13", [Tree("s14", [Tree("s15")])]))


def paths_of(value: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = {}
    marked = marks(type(value))
    assert marked is not None
    marked.change(msgspec.to_builtins(value), "", lambda private_value, path: found.setdefault(path, private_value))
    return found


def test_every_mark_is_found_wherever_it_stands() -> None:
    assert paths_of(Everything()) == {
        "privateText": "s1",
        "bounded": "s2",
        "maybeSome": "s3",
        "either": 7,
        "whole": {"secret": "s4", "open": 1},
        "inner.secret": "s5",
        "many.0": "s6",
        "many.1": "s7",
        "fixed.1": "s8",
        "byName.x.secret": "s9",
        "structs.0.secret": "s10",
        "structs.1.secret": "s11",
        "oneOf.secret": "s12",
        "tree.title": "s13",
        "tree.parts.0.title": "s14",
        "tree.parts.0.parts.0.title": "s15",
    }


def test_the_value_given_is_left_as_it_was() -> None:
    before = msgspec.to_builtins(Everything())
    marked = marks(Everything)
    assert marked is not None
    after = marked.change(before, "", lambda _value, _path: "changed")
    assert before == msgspec.to_builtins(Everything())
    assert after["tree"]["parts"][0]["title"] == "changed"


def test_a_type_without_marks_costs_nothing() -> None:
    assert marks(Right) is None


class Array(msgspec.Struct, array_like=True):
    secret: PrivateText


class Keyed(msgspec.Struct):
    secret: dict[PrivateText, int]


@pytest.mark.parametrize("type", [Array, Keyed])
def test_a_mark_that_could_not_be_honoured_is_refused(type: type[msgspec.Struct]) -> None:  # noqa: A002 - as in marks
    with pytest.raises(TypeError):
        marks(type)
