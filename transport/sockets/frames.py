"""What the server emits, encoded once for all connections that speak the same way."""

from typing import Any

from socketio import packet

from actors.events import Recorded
from transport import wire
from transport.sockets.packets import Kind
from transport.sockets.straight import framed


class Frame:
    """One emitted Socket.IO event. `seq` is its place in the log when it is a durable one."""

    __slots__ = ("_encoded", "_framed", "data", "name", "seq")

    def __init__(self, name: str, data: dict[str, Any], seq: int = 0) -> None:
        self.name = name
        self.data = data
        self.seq = seq
        self._encoded: dict[Kind, str | bytes] = {}
        self._framed: dict[Kind, bytes] = {}

    def encoded(self, kind: Kind) -> str | bytes:
        """The Socket.IO packet, as the payload of an Engine.IO message."""
        made = self._encoded.get(kind)
        if made is None:
            made = self._encoded[kind] = kind(packet.EVENT, data=[self.name, self.data], namespace="/").encode()
        return made

    def framed(self, kind: Kind) -> bytes:
        """The same as a whole WebSocket frame."""
        made = self._framed.get(kind)
        if made is None:
            made = self._framed[kind] = framed(self.encoded(kind))
        return made


def event(recorded: Recorded) -> Frame:
    """`event {v, seq, id, at, type, data}`."""
    return Frame("event", wire.pack_event(recorded), recorded.seq)


def signal(kind: str, data: dict[str, Any]) -> Frame:
    """`signal {type, data}`."""
    return Frame("signal", {"type": kind, "data": wire.pack(data)})


def resync(reason: str, snapshot_url: str) -> Frame:
    """`session.resync`: the log can't take the device on; it starts anew from the snapshot."""
    return Frame("session.resync", {"reason": reason, "snapshot_url": snapshot_url})


def merged(earlier: Frame, later: Frame) -> Frame | None:
    """Two deltas of one reply as one, when the later goes on exactly where the earlier ends."""
    if not (earlier.name == later.name == "signal" and earlier.data["type"] == later.data["type"] == "reply.delta"):
        return None
    one, two = earlier.data["data"], later.data["data"]
    if one["message_id"] != two["message_id"] or one["index"] + len(one["text"]) != two["index"]:
        return None
    return Frame("signal", {"type": "reply.delta", "data": {**one, "text": one["text"] + two["text"]}})
