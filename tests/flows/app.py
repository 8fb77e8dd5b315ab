"""An app as a person has it: signs up over REST, talks over Socket.IO, and asks again with the same cid until it knows."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pyotp
import socketio

PASSWORD = "correct horse battery staple"
ASK = 8.0
ASK_AGAIN = frozenset({"overloaded", "unavailable", "timeout"})
"""What a device may be refused with for a moment, and asks anew."""


class Lost(Exception):
    """The connection went, or nobody answered in time; or why it was refused."""


@dataclass
class App:
    """One device of one user. `acks` are the answers by cid, `events` what was pushed, in order of arrival."""

    url: str
    email: str = field(default_factory=lambda: f"{uuid.uuid4().hex[:12]}@example.org")
    device: str = field(default_factory=lambda: str(uuid.uuid4()))
    path: str = "socket.io"
    serializer: str = "default"
    tokens: dict[str, Any] = field(default_factory=dict)
    ready: dict[str, Any] = field(default_factory=dict)
    acks: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    signals: list[dict[str, Any]] = field(default_factory=list)
    closings: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket: socketio.AsyncClient | None = None
        self._heard = asyncio.Condition()
        self._gone = asyncio.Event()

    @property
    def seq(self) -> int:
        """The last event this device has applied."""
        return int(self.events[-1]["seq"]) if self.events else 0

    # ── REST ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def rest(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of one request; tokens are sent when there are any."""
        if self.tokens:
            headers.setdefault("Authorization", f"Bearer {self.tokens['access_token']}")
        timeout = aiohttp.ClientTimeout(ASK)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, f"{self.url}{path}", json=body, headers=headers) as response,
        ):
            return response.status, await response.json() if response.status != 204 else None

    async def register(self, name: str = "Ann") -> None:
        status, body = await self.rest(
            "POST",
            "/v1/auth/register",
            {"email": self.email, "password": PASSWORD, "name": name, "tz": "Europe/Berlin"},
        )
        assert status == 201, body
        self.tokens = body

    # ── sockets ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def connect(self) -> None:
        """Connect, and return when the session is ready; as long as it is refused for a moment, anew. Raises Lost."""
        until = asyncio.get_running_loop().time() + ASK
        while (refusal := await self._connect()) is not None:
            self.refused.append(refusal)
            if refusal["code"] not in ASK_AGAIN or asyncio.get_running_loop().time() > until:
                raise Lost(refusal)
            await asyncio.sleep(refusal.get("retry_after_ms", 250) / 1000)

    async def _connect(self) -> dict[str, Any] | None:
        """What it is refused with; None when the session is ready. Raises Lost."""
        await self.disconnect()
        socket = self._socket = socketio.AsyncClient(reconnection=False, serializer=self.serializer)
        ready = asyncio.get_running_loop().create_future()
        refusals: list[dict[str, Any]] = []

        async def on_ready(data: dict[str, Any]) -> None:
            self.ready = data
            if not ready.done():
                ready.set_result(None)

        async def on_refusal(data: object) -> None:
            if isinstance(data, dict):
                refusals.append(data["data"])

        gone = self._gone = asyncio.Event()
        socket.on("connect_error", on_refusal)
        socket.on("disconnect", lambda *_: gone.set())
        socket.on("session.ready", on_ready)
        socket.on("event", self._on(self.events))
        socket.on("signal", self._on(self.signals))
        socket.on("session.closing", self._on(self.closings))
        auth = {"token": self.tokens["access_token"], "device_id": self.device, "since": self.seq}
        try:
            async with asyncio.timeout(ASK):
                await socket.connect(self.url, auth=auth, socketio_path=self.path, transports=["websocket"])
                await ready
        except (socketio.exceptions.ConnectionError, TimeoutError, aiohttp.ClientError, OSError) as error:
            if refusals:
                return refusals[0]
            raise Lost from error
        return None

    async def disconnect(self) -> None:
        if self._socket is not None:
            socket, self._socket = self._socket, None
            await socket.disconnect()
            await socket.shutdown()

    async def command(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """One command, one ack. Raises Lost when there is none."""
        if self._socket is None or not self._socket.connected:
            raise Lost
        asked = asyncio.ensure_future(self._socket.call(name, body, timeout=ASK))
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({asked, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise Lost
            ack: dict[str, Any] = asked.result()
        except (socketio.exceptions.SocketIOError, TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Lost from error
        finally:
            asked.cancel()
            gone.cancel()
        return ack

    async def surely(self, name: str, body: dict[str, Any], *, within: float = 60.0) -> dict[str, Any]:
        """Ask again with the same cid, reconnecting, until it is acknowledged; every refusal is kept."""
        cid = body.setdefault("cid", str(uuid.uuid4()))
        async with asyncio.timeout(within):
            while True:
                try:
                    ack = await self.command(name, body)
                except Lost:
                    await self._come_back()
                    continue
                if ack["ok"]:
                    assert self.acks.setdefault(cid, ack) == ack
                    return ack
                self.refused.append(ack["error"])
                await asyncio.sleep(ack["error"].get("retry_after_ms", 250) / 1000)

    async def until(self, seen: Any, *, within: float = 60.0) -> Any:
        """The first event `seen` says yes to, past or to come; reconnects as long as it takes."""
        return await self._among(self.events, seen, within)

    async def until_signal(self, text: str, *, within: float = 20.0) -> Any:
        """The first delta that says this."""
        return await self._among(self.signals, lambda signal: text in signal["data"].get("text", ""), within)

    async def _among(self, kept: list[dict[str, Any]], seen: Any, within: float) -> Any:
        async with asyncio.timeout(within):
            while True:
                for one in kept:
                    if seen(one):
                        return one
                if self._socket is None or not self._socket.connected:
                    await self._come_back()
                async with self._heard:
                    try:
                        await asyncio.wait_for(self._heard.wait(), 0.5)
                    except TimeoutError:
                        continue

    async def until_closing(self, code: str, *, within: float = 2.0) -> None:
        """The server has said that it closes the socket, and why; nothing is connected anew."""
        async with asyncio.timeout(within), self._heard:
            while not any(closing["code"] == code for closing in self.closings):
                await self._heard.wait()

    async def replied(self, reply_id: str, *, within: float = 60.0) -> dict[str, Any]:
        """The coach's message of that id."""
        event = await self.until(lambda event: event["data"].get("id") == reply_id, within=within)
        message: dict[str, Any] = event["data"]
        return message

    async def whole_log(self) -> list[dict[str, Any]]:
        """Every event there is, by `sync`."""
        found: list[dict[str, Any]] = []
        while True:
            ack = await self.command("sync", {"since": found[-1]["seq"] if found else 0, "limit": 500})
            assert ack["ok"], ack
            found += ack["events"]
            if not ack["more"]:
                return found

    async def _come_back(self) -> None:
        try:
            await self.connect()
        except Lost:
            await asyncio.sleep(0.2)

    def _on(self, kept: list[dict[str, Any]]) -> Any:
        async def keep(data: dict[str, Any]) -> None:
            kept.append(data)
            async with self._heard:
                self._heard.notify_all()

        return keep


@asynccontextmanager
async def signed_up(url: str, **given: Any) -> AsyncIterator[App]:
    """A new user with one connected device."""
    app = App(url, **given)
    await app.register()
    await app.connect()
    try:
        yield app
    finally:
        await app.disconnect()


async def become_admin(app: App, output: str) -> None:
    """By the token in what a fresh node printed; signed in anew, since the role before has ended, with a second factor."""
    (token,) = re.findall(r"first administrator: .* token (\S+) ", output)
    assert (await app.rest("POST", "/v1/admin/setup", {"token": token}))[0] == 204
    app.tokens = (await app.rest("POST", "/v1/auth/login", {"email": app.email, "password": PASSWORD}))[1]
    assert (await app.rest("GET", "/v1/admin/audit"))[1]["code"] == "forbidden.factor"
    await app.rest("POST", "/v1/auth/reauth", {"password": PASSWORD, "scope": "factors"})
    _, proposal = await app.rest("POST", "/v1/auth/mfa/totp/enroll")
    code = pyotp.TOTP(proposal["secret"]).now()
    assert (await app.rest("POST", "/v1/auth/mfa/totp/confirm", {"code": code}))[0] == 200
    app.tokens = (await app.rest("POST", "/v1/auth/refresh", {"refresh_token": app.tokens["refresh_token"]}))[1]


@asynccontextmanager
async def second_device(first: App, **given: Any) -> AsyncIterator[App]:
    """Another device of the same user, not yet connected."""
    app = App(first.url, email=first.email, tokens=first.tokens, **given)
    try:
        yield app
    finally:
        await app.disconnect()
