"""An example of anything apps send or get, made from the types and from one table of what people would write."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, UnsetType

ID: Final = "019aad3e-7d1f-7c43-9d3a-5f0e8a1b2c4d"
_MAPPINGS: Final = (dict, Mapping)
_SEQUENCES: Final = (list, tuple, Sequence)
AT: Final = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
SAID: Final[dict[str, Any]] = {
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsxIn0.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl",
    "add": 1.5,
    "answered_by": "llama-3.2-3b",
    "arguments": '{"title": "Run 10 km"}',
    "author_id": ID,
    "code": "overloaded",
    "current": 6.5,
    "cursor": None,
    "device": "Anna's phone",
    "device_id": "phone",
    "effort": 3.0,
    "email": "anna@example.org",
    "expires_in": 600,
    "generation": 1,
    "keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7T"}],
    "language": "de",
    "log": "019aad3e-0000-7000-8000-000000000001",
    "name": "Anna",
    "next_cursor": None,
    "node": "n-5f0e8a1b",
    "note": "Felt easy today",
    "password": "correct horse battery staple",
    "progress": 65.0,
    "refresh_token": f"{ID}.1.Zm9yZ2V0LW1lLW5vdC1mb3JnZXQtbWUtbm90LWZvcmdldA",
    "result": '{"goal_id": "' + ID + '"}',
    "retry_after_ms": 1200,
    "seq": 42,
    "since": 40,
    "snapshot_url": "/v1/me/snapshot",
    "target": 10.0,
    "text": "I want to run 10 km by the end of June.",
    "thread": "coach",
    "ticket": "pZ0k3m1vJH8sN2cXq7wT5yRbE9uLdF4gA6iKoPzVtWc",
    "title": "Run 10 km",
    "token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIuLi4ifQ.c2lnbmF0dXJl",
    "tool": "create_goal",
    "trace_id": "9f86d081884c7d65",
    "tz": "Europe/Berlin",
    "unit": "km",
    "v": 1,
}
"""By the field's name. What is not listed follows from its type."""


def example(kind: Any, name: str = "", within: tuple[Any, ...] = ()) -> Any:
    """Builtins, ready for JSON, that `kind` accepts. `within` are the Structs around it: none is inside itself."""
    plain, metas = _plain(kind)
    if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
        return _of_struct(plain, (*within, plain))
    if name in SAID and _fits(SAID[name], kind):
        return SAID[name]
    if get_origin(plain) is Literal:
        return get_args(plain)[0]
    if get_origin(plain) in _MAPPINGS:
        key, value = get_args(plain)
        return {example(key): example(value, name, within)}
    if get_origin(plain) in _SEQUENCES:
        element = get_args(plain)[0]
        return [] if element in within else [example(element, name.removesuffix("s"), within)]
    return _scalar(plain, metas)


def _of_struct(kind: type[msgspec.Struct], within: tuple[Any, ...]) -> dict[str, Any]:
    return {
        field.encode_name: None if _optional(field.type, within) else example(field.type, field.name, within)
        for field in msgspec.structs.fields(kind)
        if not (field.default is UNSET and _plain(field.type)[0] in within)
    }


def _optional(kind: Any, within: tuple[Any, ...]) -> bool:
    return type(None) in get_args(kind) and _plain(kind)[0] in within


def _plain(kind: Any) -> tuple[Any, tuple[Meta, ...]]:
    """The first type that says something, and what bounds it."""
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        plain, more = _plain(inner)
        return plain, (*(meta for meta in metas if isinstance(meta, Meta)), *more)
    if get_origin(kind) in {Union, UnionType}:
        return _plain(next(one for one in get_args(kind) if one not in {type(None), UnsetType}))
    return kind, ()


def _scalar(kind: Any, metas: tuple[Meta, ...]) -> Any:
    if kind is datetime:
        return AT.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if kind is date:
        return "2026-06-30"
    if kind is bool:
        return True
    if kind in {int, float}:
        lowest = next((meta.ge for meta in metas if meta.ge is not None), 1)
        return kind(max(lowest, 1))
    return ID if kind is str else None


def _fits(said: Any, kind: Any) -> bool:
    try:
        msgspec.convert(said, kind)
    except msgspec.ValidationError:
        return False
    return True
