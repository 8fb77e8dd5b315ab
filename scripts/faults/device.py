"""A device with a stock Socket.IO client: asks again with the same cid until it knows, and remembers what it has seen."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import aiohttp
import socketio

from scripts.faults.numbers import Numbers
from scripts.faults.tally import Tally

Json = dict[str, Any]
PASSWORD: Final = "a long sentence is best"  # noqa: S105 - of people who do not exist
TOKEN_RENEWED: Final = 400.0
"""Seconds after which a device signs in anew; a token is good for ten minutes."""
GIVEN_UP: Final = 30.0
"""Seconds after which an app starts its client anew when that did not come back by itself."""
BREATH, LONGEST_PAUSE = 0.25, 5.0
RETRIED: Final = frozenset({"unavailable", "overloaded", "timeout", "away", "no_answer"})
"""Refusals that a device answers by asking again; the last two are its own words for silence."""
AWAY: Final[Json] = {"ok": False, "error": {"code": "away", "effect": "unknown"}}
NO_ANSWER: Final[Json] = {"ok": False, "error": {"code": "no_answer", "effect": "unknown"}}


class Kind(NamedTuple):
    """How a client is configured."""

    path: str = "socket.io"
    serializer: str = "default"
    transports: list[str] | None = None


DEFAULT: Final = Kind()
"""As it comes: JSON, polling, then upgraded to WebSocket."""
MSGPACK: Final = Kind("socket.io-msgpack", "msgpack", ["websocket"])


class RefusedError(RuntimeError):
    """A command was refused for good, though nothing was wrong with it."""


@dataclass
class Device:
    """Of the node it is at, `urls` and `home` tell; with `restless` it goes elsewhere when it is not answered."""

    name: str
    email: str
    urls: Sequence[str]
    home: int
    kind: Kind
    http: aiohttp.ClientSession
    numbers: Numbers
    tally: Tally
    restless: bool = False
    seen: list[int] = field(default_factory=list)
    """The digest of each event, in order of arrival: the first has seq 1."""
    messages: set[str] = field(default_factory=set)
    node: str = ""
    served: float = 0.0
    """When the newest command that was acknowledged had been sent."""

    def __post_init__(self) -> None:
        self.at = self.home
        self.other: Device | None = None
        self._tries, self._strayed = 0, False
        self._token, self._token_at = "", 0.0
        self._lost_at = time.monotonic()
        self._coming = asyncio.Lock()
        self._asked: set[asyncio.Future[Json]] = set()
        self.io = self._client()

    # ── coming and going ─────────────────────────────────────────────────────────────────────────────────────────

    async def register(self) -> str:
        """A new user; answers the id."""
        return str((await self._let_in("register", {"name": self.name, "tz": "Europe/Berlin"}))["user_id"])

    async def come(self) -> None:
        """Signs in and connects, and returns when the session is ready."""
        if not self._token:
            await self._let_in("login", {})
        async with asyncio.timeout(self.numbers.heals_within):
            await self._connect()
            while not self.node:  # noqa: ASYNC110 - an event of the client ends it
                await asyncio.sleep(0.02)

    async def go(self) -> None:
        with suppress(TypeError):  # engineio: what is lost while it is being closed has forgotten the task it waits for
            await self.io.disconnect()
        await self.io.shutdown()

    async def _let_in(self, how: str, more: Json) -> Json:
        """As `_signed`, however many arrive at once: a node that has too much to do says so."""
        async with asyncio.timeout(self.numbers.heals_within):
            while True:
                try:
                    return await self._signed(how, more)
                except aiohttp.ClientResponseError as refused:
                    if refused.status != HTTPStatus.SERVICE_UNAVAILABLE:
                        raise
                await asyncio.sleep(LONGEST_PAUSE)

    async def _signed(self, how: str, more: Json) -> Json:
        body = {"email": self.email, "password": PASSWORD, **more}
        async with self.http.post(f"{self.urls[self.at]}/v1/auth/{how}", json=body) as response:
            answer: Json = await response.json()
            response.raise_for_status()
        self._token, self._token_at = answer["access_token"], time.monotonic()
        return answer

    def _client(self) -> socketio.AsyncClient:
        io = socketio.AsyncClient(serializer=self.kind.serializer)
        io.on("session.ready", self._ready)
        io.on("event", self._event)
        io.on("signal", self._signal)
        io.on("session.resync", self._resync)
        io.on("session.error", self._error)
        io.on("disconnect", self._lost)
        return io

    async def _connect(self) -> None:
        """Tries later each time, as the client itself does once it was connected."""
        pause = BREATH
        while not self.io.connected:
            try:
                await self.io.connect(
                    self._where, auth=self._auth, transports=self.kind.transports, socketio_path=self.kind.path
                )
            except socketio.exceptions.ConnectionError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _where(self) -> str:
        """Where it is, then by turns at each node where the user's other device is not."""
        around = [(self.at + step) % len(self.urls) for step in range(len(self.urls))]
        free = [number for number in around if self.other is None or number != self.other.at]
        self.at = free[0] if self._tries == 0 else free[1 % len(free)]
        self._tries += 1
        return self.urls[self.at]

    def _auth(self) -> Json:
        return {"token": self._token, "device_id": self.name, "since": len(self.seen)}

    async def _look_after(self) -> None:
        """What an app does beside: a new token in time, a new client when the old one has given up."""
        if time.monotonic() - self._token_at > TOKEN_RENEWED:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                await self._signed("login", {})
        if self.io.connected or self._coming.locked() or time.monotonic() - self._lost_at < GIVEN_UP:
            return
        async with self._coming:
            self.tally.by_hand += 1
            await self._start_anew()

    async def _move(self) -> None:
        if not self.io.connected or self._coming.locked():
            return
        async with self._coming:
            self._tries = 1
            await self._start_anew()

    async def _start_anew(self) -> None:
        """With another client: the old one may be about to come back by itself."""
        await self.go()
        self.io = self._client()
        await self._connect()

    @property
    def standing(self) -> str:
        """For whoever asks why it is not served."""
        where = f"at node {self.at}" if self.io.connected else f"away for {time.monotonic() - self._lost_at:.0f} s"
        return f"{self.name} {where}, unserved for {time.monotonic() - self.served:.0f} s, at event {len(self.seen)}"

    # ── what it hears ────────────────────────────────────────────────────────────────────────────────────────────

    async def _ready(self, ready: Json) -> None:
        self.node, self._tries = ready["node"], 0

    async def _event(self, event: Json) -> None:
        expected = len(self.seen) + 1
        if event["seq"] != expected and not self._strayed:
            self._strayed = True
            self.tally.found(f"{self.name}: event {event['seq']} came where {expected} was next")
        self.seen.append(digest(event))
        self.tally.events += 1
        if event["type"] == "message.added":
            self.messages.add(event["data"]["id"])

    async def _signal(self, _: Json) -> None:
        self.tally.signals += 1

    async def _resync(self, why: Json) -> None:
        self.tally.found(f"{self.name}: told to begin anew, {why['reason']}, after {len(self.seen)} events")

    async def _error(self, error: Json) -> None:
        self.tally.found(f"{self.name}: session.error {error.get('code')}")

    async def _lost(self, *_: Any) -> None:
        self._lost_at = time.monotonic()
        for answer in self._asked:
            if not answer.done():
                answer.set_result(AWAY)

    # ── what it asks ─────────────────────────────────────────────────────────────────────────────────────────────

    async def surely(self, name: str, body: Mapping[str, Any]) -> Json:
        """Its ack, however often it must be asked for. Raises RefusedError, and TimeoutError when it never comes."""
        began = time.monotonic()
        ack, refusals = await self.until_acked(name, body)
        self.tally.sent += 1 + len(refusals)
        self.tally.retried += bool(refusals)
        self.tally.unknown_settled += any(refusal["effect"] == "unknown" for refusal in refusals)
        self.tally.waited(time.monotonic() - began, [refusal["code"] for refusal in refusals])
        self.served = began
        return ack

    async def until_acked(self, name: str, body: Mapping[str, Any]) -> tuple[Json, list[Json]]:
        """As `surely`, uncounted: the ack, and what it was refused with before."""
        refusals: list[Json] = []
        async with asyncio.timeout(self.numbers.heals_within + self.numbers.settles_within):
            while not (ack := await self._ask(name, body)).get("ok"):
                refusals.append(ack["error"])
                await self._refused(name, ack["error"])
        return ack, refusals

    async def _refused(self, name: str, error: Json) -> None:
        """Waits as it was told. Raises RefusedError."""
        code = error["code"]
        if code not in RETRIED:
            raise RefusedError(f"{self.name}: {name} was refused, {code} {error.get('fields') or ''}")
        self.tally.refusals[code] += 1
        if code == "no_answer" and self.restless:
            await self._move()
        await self._look_after()
        await asyncio.sleep(error.get("retry_after_ms", BREATH * 1000) / 1000)

    async def _ask(self, name: str, body: Mapping[str, Any]) -> Json:
        """One try: the ack, AWAY once the connection is lost, or NO_ANSWER."""
        await self._look_after()
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._asked.add(answer)

        def answered(ack: Json) -> None:
            if not answer.done():
                answer.set_result(ack)

        try:
            await self.io.emit(name, dict(body), callback=answered)
            async with asyncio.timeout(self.numbers.patience):
                return await answer
        except TimeoutError:
            return NO_ANSWER
        except (socketio.exceptions.SocketIOError, OSError):
            return AWAY
        finally:
            self._asked.discard(answer)

    async def whole_log(self) -> list[Json]:
        """Every event there is, by `sync`."""
        found: list[Json] = []
        while True:
            page, _ = await self.until_acked("sync", {"since": len(found), "limit": 500})
            found += page["events"]
            if not page["more"]:
                return found


def digest(event: Json) -> int:
    """Of all of an event, whichever parser brought it."""
    whole = json.dumps(event, sort_keys=True, separators=(",", ":"))
    return int.from_bytes(blake2b(whole.encode(), digest_size=8).digest())
