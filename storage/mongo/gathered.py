"""Reads by id that gather: what was asked for while a read was on its way goes out together in the next."""

import asyncio
from itertools import islice
from types import TracebackType
from typing import Final, Self

from pymongo.errors import PyMongoError

from actors.runtime.envelope import Overloaded, Unavailable
from storage.mongo import queries
from storage.mongo.connect import Collection, Document

AT_ONCE: Final = 2
BATCH: Final = 100
WAITING: Final = 20_000
"""Reads on their way, ids in one of them, and ids that may wait; beyond that who asks is refused: overloaded."""

Outcome = Document | None | Exception


class Gathered:
    """One collection by `_id`, for the many who wake at once. Entered on its owner's stack."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._asked: dict[str, asyncio.Future[Outcome]] = {}  # bounded in `get`
        self._more = asyncio.Event()
        self._closed = True
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        name = f"reads of {self._collection.name}"
        self._tasks = {asyncio.create_task(self._run(), name=f"{name} {number}") for number in range(AT_ONCE)}
        self._closed = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        _settle(self._asked, dict.fromkeys(self._asked, Unavailable()))

    async def get(self, identifier: str) -> Document | None:
        """The document, as the collection's read concern shows it from now on. Raises Overloaded, Unavailable."""
        if self._closed:
            raise Unavailable(retry_after_ms=1000)
        asked = self._asked.get(identifier)
        if asked is None:
            if len(self._asked) >= WAITING:
                raise Overloaded(retry_after_ms=1000)
            asked = self._asked[identifier] = asyncio.get_running_loop().create_future()
            self._more.set()
        outcome = await asyncio.shield(asked)  # somebody else may wait for it too
        if isinstance(outcome, PyMongoError | Unavailable):
            raise Unavailable(retry_after_ms=1000) from outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _run(self) -> None:
        while True:
            await self._more.wait()
            asked = {identifier: self._asked.pop(identifier) for identifier in list(islice(self._asked, BATCH))}
            if not self._asked:
                self._more.clear()
            outcomes: dict[str, Outcome] = dict.fromkeys(asked, Unavailable())
            try:
                outcomes = await self._read(list(asked))
            finally:
                _settle(asked, outcomes)

    async def _read(self, identifiers: list[str]) -> dict[str, Outcome]:
        """Whatever goes wrong, nobody is left waiting: it is the outcome of each."""
        query = queries.by_id(self._collection.name, *identifiers)
        try:
            found = await query.find(self._collection, BATCH).to_list()
        except Exception as error:  # noqa: BLE001 - who asked raises it
            return dict.fromkeys(identifiers, error)
        return {document["_id"]: document for document in found}


def _settle(asked: dict[str, asyncio.Future[Outcome]], outcomes: dict[str, Outcome]) -> None:
    for identifier, future in asked.items():
        future.set_result(outcomes.get(identifier))
