"""What a route is: one line holds all that apps are told of it, and all that is read before its handler is asked."""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final, Literal, get_args

import msgspec
from aiohttp import hdrs, web

from actors.commands import PUBLIC
from actors.domain.refusals import Precondition
from actors.domain.roles import Role
from actors.runtime.envelope import Refused
from transport.contract.promises import PROMISES, with_seq
from transport.contract.schemas import without
from transport.rest.asking import ids_in_path, order
from transport.rest.tags import Guard, order_as_seen

_PLACE: Final = re.compile(r"{(\w+)}")
SELECT: Final = "fields"
"""The query's name for which fields of what is read an app wants."""
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Handler = Callable[..., Awaitable[object]]
"""A plain function of the request, then of the query and the body where the route has them; answers what is sent."""


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The query or the body of a request that says all by its path."""


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """`name` is the operation's id; `refuses` what it refuses with beside what any route may. Names in paths are ids.

    `query` None: whatever it says is not looked at. `answer` None: 204 without a body. `opens_to` "user" asks for an
    access token, of a person in `role` if there is one, "service" for an API key with that `scope`, or who has the `role`. `deprecated` and `sunset` are told in headers.
    `also` are answers with another status. A `tagged` one has an ETag, and `guarded` ones heed If-Match.
    """

    method: Method
    path: str
    name: str
    handler: Handler
    summary: str
    _: dataclasses.KW_ONLY
    query: type[Any] | None = Nothing
    body: type[Any] = Nothing
    answer: Any = None
    status: int = HTTPStatus.OK
    media: str = "application/json"
    refuses: tuple[type[Refused], ...] = ()
    opens_to: Literal["everyone", "user", "service"] = "user"
    scope: str | None = None
    role: Role | None = None
    deprecated: date | None = None
    sunset: date | None = None
    also: Mapping[int, Any] = dataclasses.field(default_factory=dict)
    tagged: bool = False
    guarded: bool = False

    @property
    def farewell(self) -> Mapping[str, str]:
        """What the answers of a route say that is left behind (RFC 9745, RFC 8594)."""
        if self.deprecated is None:
            return {}
        said = {"Deprecation": f"@{int(_midnight(self.deprecated).timestamp())}"}
        if self.sunset is not None:
            said["Sunset"] = format_datetime(_midnight(self.sunset), usegmt=True)
        return {**said, hdrs.LINK: '</docs>; rel="deprecation"; type="text/html"'}

    @property
    def selects(self) -> frozenset[str]:
        """The names that `fields` may choose from: of each item in a list, else of what is answered."""
        if self.method != hdrs.METH_GET or self.query is None or not _is_struct(self.answer):
            return frozenset()
        listed = next((field.type for field in msgspec.structs.fields(self.answer) if field.name == "items"), None)
        shown = self.answer if listed is None else get_args(listed)[0]
        return frozenset(shown.__struct_encode_fields__) if _is_struct(shown) else frozenset()

    @property
    def answers(self) -> Mapping[int, Any]:
        """What it answers when it does not refuse, by status; None is an answer without a body."""
        unchanged: dict[int, Any] = {HTTPStatus.NOT_MODIFIED: None} if self.tagged else {}
        return {HTTPStatus.NO_CONTENT if self.answer is None else self.status: self.answer, **unchanged, **self.also}

    @property
    def places(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PLACE.findall(self.path))


def by_command(
    method: Method, path: str, name: str, *, status: int = HTTPStatus.OK, guard: Guard | None = None
) -> Route:
    """A route that carries out the public command `name`; with a guard, only on what `If-Match` says, if it says so.

    A name in the path is the command's field of that name; the others are the body, or the query of a DELETE.
    """
    promise, command = PROMISES[name], PUBLIC[name]
    unbound = Route(method, path, name, _nobody, promise.summary)
    rest = _without(command, unbound.places)
    in_query = method == hdrs.METH_DELETE

    async def carry_out(request: web.Request, given: msgspec.Struct | None = None) -> web.Response:
        fields = msgspec.structs.asdict(given) if given is not None else {}
        asked = command(**ids_in_path(request), **fields)
        if guard is not None and hdrs.IF_MATCH in request.headers:
            return await order_as_seen(request, asked, status, guard)
        return await order(request, asked, status, tagged=guard.field if guard is not None else None)

    return dataclasses.replace(
        unbound,
        handler=carry_out,
        query=rest if in_query else Nothing,
        body=Nothing if in_query else rest,
        answer=with_seq(promise.answer),
        status=status,
        refuses=(*promise.refuses, *([Precondition] if guard is not None else [])),
        guarded=guard is not None,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


async def _nobody(_request: web.Request) -> None:
    raise NotImplementedError


def _without(command: type[msgspec.Struct], places: tuple[str, ...]) -> type[Any]:
    """The command's fields that are not named in the path."""
    if set(command.__struct_fields__) <= set(places):
        return Nothing
    return without(command, places, f"{command.__name__}Body") if places else command
