"""All that is known of a person, as a file: asked for, looked after, and fetched by a link that is good for minutes."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from actors.commands import RequestExport
from actors.domain.exports import Export, ExportState
from actors.domain.private import private
from actors.domain.refusals import ExportRunning, ExportsClosed, NotFound, NotFresh, RateLimited, TokenSpent
from actors.ports import ExportFiles
from actors.questions import ExportShown, ShowExport
from actors.runtime.envelope import Unavailable
from actors.work.exports import ExportBegun
from transport.contract.promises import with_seq
from transport.recovery import Recovery
from transport.rest.asking import ask, id_in_path, order
from transport.rest.doors import DOORS, IDENTITY
from transport.rest.routes import Route

LINK: Final = timedelta(minutes=5)
KIND: Final = "export"
"""Of the proof that a link is."""

_Time = Annotated[datetime, Meta(tz=True)]


class ExportView(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is there while the file can be fetched: it needs no token, is good for five minutes, and voids the one before.

    `expires_at` is when the file is removed. `problem` is the code of why it failed; it may be asked for anew.
    """

    id: str
    state: ExportState
    requested_at: _Time
    expires_at: _Time | None = None
    size: int | None = None
    sha256: str | None = None
    url: str | None = None
    problem: str | None = None


class FileQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, private(max_length=100)]


async def begin(request: web.Request) -> web.Response:
    await Recovery(request.app[DOORS].signin).require_fresh(request[IDENTITY], "export")
    return await order(request, RequestExport(), HTTPStatus.ACCEPTED)


async def show(request: web.Request) -> ExportView:
    shown: ExportShown = await ask(request, ShowExport(id_in_path(request)))
    export, made = shown.export, shown.export.made
    view = ExportView(
        id=export.id,
        state=export.state,
        requested_at=export.requested_at,
        expires_at=export.expires_at,
        problem=export.problem,
    )
    if made is None or export.state != "ready":
        return view
    return msgspec.structs.replace(view, size=made.size, sha256=made.sha256, url=await _link(request, export))


async def fetch(request: web.Request, query: FileQuery) -> web.Response:
    """The file as it is read and opened, piece by piece. Raises TokenSpent, Unavailable."""
    doors = request.app[DOORS]
    proof = await doors.signin.proving.look(query.token, KIND)
    copy, parts, size = (int(proof.fields[name]) for name in ("copy", "parts", "size"))
    if doors.exports is None:
        raise ExportsClosed
    first = await doors.exports.read(proof.owner, proof.subject, (copy, 0))
    if first is None:  # removed meanwhile
        raise TokenSpent
    pieces = _pieces(doors.exports, proof.owner, proof.subject, [(copy, number) for number in range(1, parts)])
    headers = {
        hdrs.CONTENT_LENGTH: str(size),
        hdrs.CONTENT_DISPOSITION: 'attachment; filename="lifebuddy-export.zip"',
    }
    return web.Response(body=_whole(first, pieces), content_type="application/zip", headers=headers)


async def _link(request: web.Request, export: Export) -> str:
    """Never longer than the file lives."""
    doors, made = request.app[DOORS], export.made
    if made is None or export.expires_at is None:
        raise NotFound
    fields = {"copy": str(made.copy), "parts": str(made.parts), "size": str(made.size)}
    good_for = min(LINK, export.expires_at - doors.now())
    token = await doors.signin.proving.issue(KIND, export.id, request[IDENTITY].user_id, good_for, fields)
    return f"/v1/exports/file?token={token}"


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


async def _pieces(
    files: ExportFiles, owner: str, export_id: str, places: list[tuple[int, int]]
) -> AsyncIterator[bytes]:
    """A piece that is missing cuts the answer short: its length was told before."""
    for place in places:
        piece = await files.read(owner, export_id, place)
        if piece is None:
            raise Unavailable
        yield piece


ROUTES: Final = (
    Route(
        "POST",
        "/v1/me/export",
        "export.begin",
        begin,
        "Have all that is known of one put into a file; one at a time, within five minutes of `reauth` for `export`",
        answer=with_seq(ExportBegun),
        status=HTTPStatus.ACCEPTED,
        refuses=(NotFresh, NotFound, ExportRunning, RateLimited, ExportsClosed),
    ),
    Route(
        "GET",
        "/v1/me/export/{export_id}",
        "export.get",
        show,
        "How an export stands, and the link to its file",
        answer=ExportView,
        refuses=(NotFound,),
    ),
    Route(
        "GET",
        "/v1/exports/file",
        "export.file",
        fetch,
        "The file of an export, by the link that the export tells",
        query=FileQuery,
        answer=bytes,
        media="application/zip",
        opens_to="everyone",
        refuses=(TokenSpent, ExportsClosed),
    ),
)
