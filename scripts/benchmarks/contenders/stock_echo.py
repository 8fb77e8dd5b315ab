"""The baseline of the socket rows: python-socketio on aiohttp as shipped; it answers at once and keeps nothing.

`goal.create` is told to the room of its user, as a server with rooms would. Argument: the port to listen on.
"""

import asyncio
import sys
from datetime import UTC, datetime

import socketio
from aiohttp import web

from scripts.benchmarks.contenders.serving import serve


async def main(port: str) -> None:
    sockets = socketio.AsyncServer()
    app = web.Application()
    sockets.attach(app)

    async def connect(sid: str, _: object, auth: dict[str, str]) -> None:
        await sockets.save_session(sid, {"user": auth["token"]})
        await sockets.enter_room(sid, auth["token"])

    async def sync(_sid: str, _body: object) -> dict[str, object]:
        return {"ok": True, "events": [], "seq": 1, "more": False}

    async def create(sid: str, body: dict[str, str]) -> dict[str, object]:
        user = (await sockets.get_session(sid))["user"]
        goal = {"id": body["cid"], "title": body["title"], "status": "open", "progress": 0}
        event = {"v": 1, "seq": 1, "id": body["cid"], "at": datetime.now(UTC).isoformat(), "type": "goal.created"}
        await sockets.emit("event", {**event, "data": {"goal": goal}}, room=user)
        return {"ok": True, "goal": goal}

    sockets.on("connect", connect)
    sockets.on("sync", sync)
    sockets.on("goal.create", create)
    await serve(app, int(port))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
