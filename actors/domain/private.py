"""How a field is marked as private: masked in logs, sealed at rest."""

from typing import Annotated

from msgspec import Meta

MARK = "private"


def private(*, max_length: int, min_length: int = 0) -> Meta:
    """A Meta that bounds a text and marks it private; stores seal what carries it."""
    return Meta(min_length=min_length, max_length=max_length, extra={MARK: True})


PrivateText = Annotated[str, Meta(extra={MARK: True})]
