"""The log of one address, document by document: does each join, open and fold?"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from actors.events import Recorded, recorded
from actors.journal.cids import Cids
from actors.journal.codec import Codec, TooNew
from actors.journal.outside import MAX_EVENTS, Document
from actors.session.state import State
from scripts.embedded.replay import Replay
from scripts.integrity.findings import Finding
from storage.mongo.log import LOG
from storage.mongo.positions import parse
from storage.sealing import Box, Unsealable

DIGEST: Final = 32
_EARLIEST: Final = datetime.fromtimestamp(0, UTC)


class LogCheck:
    """Takes the documents of an address in order. `whole` until the first that does not join, open or fold.

    A document that is not whole ends the replay, since nothing after it can be known; positions, cids and
    activations are looked at to the end. Once past seq `kept_at`, `kept` is what a snapshot at that seq holds.
    """

    def __init__(self, address: str, box: Box | None, codec: Codec, kept_at: int) -> None:
        self.replay = Replay(address)
        self.found: set[Finding] = set()
        self.whole = box is not None
        self.documents = 0
        self.kept: tuple[datetime, bytes, int, State] | None = None
        self._address, self._box, self._codec, self._kept_at = address, box, codec, kept_at
        self._begins: int | None = 1  # None: not known after a document that says nothing of use
        self._at = _EARLIEST
        self._cids = Cids()
        self._accepted: set[tuple[str, str]] = set()
        self._writers: set[str] = set()
        self._last_writer, self._last_write = "", 0

    def take(self, stored: Mapping[str, Any]) -> list[Recorded]:
        """The events of the next document that are now part of the replay."""
        self.documents += 1
        try:
            s = self._place(stored)
        except ValueError:  # it stands among these, and no position is read off it
            self._note("log.position", 0, f"{LOG}/{stored['_id']}")
            return []
        document = self._document(stored, s)
        if document is None:
            self._begins = None
            return self._broken("log.malformed", s)
        self._join(document)
        self._stamps(document)
        happened = self._opened(document, stored["_id"])
        return self._folded(document, happened) if self.whole else []

    def _place(self, stored: Mapping[str, Any]) -> int:
        """The position by its `_id`, which the body was sealed for. Raises ValueError when it is none."""
        _, s = parse(str(stored["_id"]))
        if stored.get("a") != self._address:
            self._note("log.position", s)
        return s

    def _document(self, stored: Mapping[str, Any], s: int) -> Document | None:
        fields = {name: stored.get(name) for name in ("n", "by", "cid", "digest", "w", "at", "body")}
        whole = {"address": self._address, "s": s, **fields}
        try:
            document = msgspec.convert(whole, Document, builtin_types=(datetime, bytes))
        except msgspec.ValidationError:
            return None
        return document if 0 < document.n <= MAX_EVENTS and len(document.digest) == DIGEST else None

    def _join(self, document: Document) -> None:
        """Each begins where the one before ended."""
        begins = document.s if self._begins is None else self._begins
        if document.s != begins:
            self._broken("log.gap" if document.s > begins else "log.overlap", document.s)
        self._begins = max(begins, document.last + 1)

    def _stamps(self, document: Document) -> None:
        """Whom it is from, when, and by which activation."""
        author = (document.by, document.cid)
        if author in self._accepted:
            self._note("log.cid", document.s)
        self._accepted.add(author)
        if document.at <= self._at:
            self._note("log.time", document.s)
        self._at = document.at
        writer, _, count = document.w.partition("/")
        write = int(count) if count.isdecimal() else 0
        same = writer == self._last_writer
        if (same and write <= self._last_write) or (not same and writer in self._writers):
            self._note("log.activations", document.s)
        self._writers.add(writer)
        self._last_writer, self._last_write = writer, write

    def _opened(self, document: Document, identifier: str) -> list[Recorded]:
        if self._box is None:
            return []
        try:
            body = self._box.unseal(document.body, collection=LOG, document=identifier, field="body")
            events = self._codec.events(body)
        except Unsealable:
            return self._broken("log.unsealable", document.s)
        except TooNew:
            return self._broken("log.too_new", document.s)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
            return self._broken("log.unreadable", document.s)
        if len(events) != document.n:
            self._note("log.count", document.s)
            self._begins = document.s + len(events)  # what was sealed says the truth
        return [recorded(self._address, seq, document.at, event) for seq, event in enumerate(events, document.s)]

    def _folded(self, document: Document, happened: list[Recorded]) -> list[Recorded]:
        try:
            self.replay.take(happened)
        except Exception:  # noqa: BLE001 - a fold may fail in any way on what it was never meant to see
            return self._broken("log.unfoldable", document.s)
        self._cids.add(document.by, document.cid, document.s)
        if self.replay.seq == self._kept_at:
            self.kept = (document.at, bytes(self._cids.records), self._cids.forgotten, self.replay.state)
        return happened

    def _broken(self, code: str, s: int) -> list[Recorded]:
        self._note(code, s)
        self.whole = False
        return []

    def _note(self, code: str, s: int, where: str = "") -> None:
        self.found.add(Finding(code, self._address, s, where))
