"""Exports in S3, in pieces that are sealed for their owner: with the owner's key goes the file."""

from typing import Final

from storage.s3.files import S3Files
from storage.sealing import Sealing

_COLLECTION: Final = "exports"
_MOST: Final = 32 * 1024 * 1024
"""Bytes of a piece, at most by far."""
_MEDIA: Final = "application/octet-stream"


class S3Exports:
    """`actors.ports.ExportFiles`. A piece can't be put in the place of another: the place is sealed with it."""

    def __init__(self, files: S3Files, sealing: Sealing) -> None:
        self._files = files
        self._sealing = sealing

    async def put(self, owner: str, export_id: str, place: tuple[int, int], piece: bytes) -> None:
        box = await self._sealing.box(owner)
        sealed = box.seal(piece, collection=_COLLECTION, document=export_id, field=_name(place))
        await self._files.put("documents", _key(export_id, place), sealed, _MEDIA)

    async def read(self, owner: str, export_id: str, place: tuple[int, int]) -> bytes | None:
        """Raises Unsealable, too."""
        sealed = await self._files.read("documents", _key(export_id, place), most=_MOST)
        if sealed is None:
            return None
        box = await self._sealing.box(owner)
        return box.unseal(sealed, collection=_COLLECTION, document=export_id, field=_name(place))

    async def remove(self, export_id: str) -> None:
        await self._files.remove_all("documents", f"{_COLLECTION}/{export_id}/")


def _key(export_id: str, place: tuple[int, int]) -> str:
    return f"{_COLLECTION}/{export_id}/{_name(place)}"


def _name(place: tuple[int, int]) -> str:
    copy, number = place
    return f"{copy}/{number:06d}"
