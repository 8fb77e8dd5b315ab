"""The conversation over Socket.IO: messages go out with a cid, replies stream in, events are followed by their seq."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import socketio
from socketio.exceptions import ConnectionError as RefusedConnection
from socketio.exceptions import SocketIOError

from actors.runtime.ids import uuid7
from scripts.terminal.account import Account, RefusalError

ACK_WITHIN = 20.0  # seconds
READY_WITHIN = 20.0

Show = Callable[[dict[str, Any]], None]


class Talk:
    """Comes back by itself after a break, with what was missed. What to show is told to `on_…`."""

    def __init__(self, account: Account, on_delta: Show, on_message: Show) -> None:
        self.on_delta = on_delta
        self.on_message = on_message
        self.on_action: Show | None = None
        self.on_progress: Show | None = None
        self.on_signal: Show | None = None
        self.on_ready: Callable[[], None] | None = None
        self.node = ""
        """Where the socket is, or was last."""
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._account = account
        self._seq: int | None = None
        self._ready = asyncio.Event()
        self._finished: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._sockets = socketio.AsyncClient(reconnection=True, reconnection_delay_max=5)
        self._sockets.on("session.ready", self._on_ready)
        self._sockets.on("session.closing", self._on_closing)
        self._sockets.on("event", self._on_event)
        self._sockets.on("signal", self._on_signal)

    async def connect(self) -> None:
        """Raises RefusalError."""
        try:
            await self._sockets.connect(self._account.url, auth=self._auth, transports=["websocket"])
            async with asyncio.timeout(READY_WITHIN):
                await self._ready.wait()
        except RefusedConnection as refused:
            raise RefusalError("connect", _sentence(refused)) from refused
        except TimeoutError:
            raise RefusalError("timeout", "The server let us in but did not get ready.") from None

    async def order(self, name: str, body: dict[str, Any], within: float = ACK_WITHIN) -> dict[str, Any]:
        """One command; its ack. Raises RefusalError."""
        try:
            ack: dict[str, Any] = await self._sockets.call(name, body, timeout=within)
        except SocketIOError:
            raise RefusalError("timeout", "The server does not answer right now; please try again.") from None
        if not ack["ok"]:
            error, after = ack["error"], ack["error"].get("retry_after_ms")
            raise RefusalError(error["code"], error["message"], None if after is None else after / 1000)
        return ack

    async def send(self, text: str) -> asyncio.Future[dict[str, Any]]:
        """Once it is stored: the future of the coach's whole message. Raises RefusalError."""
        cid = uuid7(datetime.now(UTC))
        ack = await self.order("chat.send", {"cid": cid, "text": text})
        return self._reply(ack["reply_id"])

    async def stop(self) -> None:
        """Whatever the coach still owes. Raises RefusalError."""
        for reply_id in [reply_id for reply_id, reply in self._finished.items() if not reply.done()]:
            await self.order("chat.stop", {"cid": uuid7(datetime.now(UTC)), "message_id": reply_id})

    async def say(self, word: str, action_id: str) -> None:
        """The person's word on an action, such as `action.confirm`. Raises RefusalError."""
        await self.order(word, {"cid": uuid7(datetime.now(UTC)), "action_id": action_id})

    def check(self) -> None:
        """Raises RefusalError when the server has ended the conversation for good."""
        if self.ended.done():
            raise RefusalError(self.ended.result(), f"The server has signed this terminal out ({self.ended.result()}).")

    async def close(self) -> None:
        await self._sockets.disconnect()

    async def _auth(self) -> dict[str, Any]:
        since = {} if self._seq is None else {"since": self._seq}
        return {"token": await self._account.token(), "device_id": self._account.memory.device_id, **since}

    def _on_ready(self, ready: dict[str, Any]) -> None:
        if self._seq is None:
            self._seq = ready["seq"]
        self.node = ready["node"]
        self._ready.set()
        if self.on_ready is not None:
            self.on_ready()

    def _on_closing(self, closing: dict[str, Any]) -> None:
        if not closing["reconnect"] and not self.ended.done():
            self.ended.set_result(closing["code"])

    def _on_event(self, event: dict[str, Any]) -> None:
        if self._seq is not None and event["seq"] <= self._seq:
            return
        self._seq = event["seq"]
        if event["type"].startswith("action.") and self.on_action is not None:
            self.on_action(event)
        if event["type"] != "message.added":
            return
        message = event["data"]
        self.on_message(message)
        if message["role"] == "coach":
            self._reply(message["id"]).set_result(message)

    def _reply(self, reply_id: str) -> asyncio.Future[dict[str, Any]]:
        """Its end may be heard before the ack that names it."""
        return self._finished.setdefault(reply_id, asyncio.get_running_loop().create_future())

    def _on_signal(self, signal: dict[str, Any]) -> None:
        if signal["type"] == "reply.delta":
            self.on_delta(signal["data"])
        elif signal["type"] == "progress" and self.on_progress is not None:
            self.on_progress(signal["data"])
        elif self.on_signal is not None:
            self.on_signal(signal)


def _sentence(refused: RefusedConnection) -> str:
    """The server's own sentence, where it gave one."""
    said = refused.args[0] if refused.args else None
    if isinstance(said, dict):
        return str(said.get("message", said))
    return str(said or "The server closed the door.")
