"""The baseline of `chat.send`: python-socketio on aiohttp as shipped, and one `insert_one` at w:majority a message.

Arguments: MongoDB's URL, the name of a database, the port to listen on.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import socketio
from aiohttp import web
from pymongo import AsyncMongoClient
from pymongo.write_concern import WriteConcern

from scripts.benchmarks.contenders.serving import serve


async def main(mongo_url: str, database: str, port: str) -> None:
    sockets = socketio.AsyncServer()
    app = web.Application()
    sockets.attach(app)
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        majority = WriteConcern(w="majority")
        messages = client[database].get_collection("chat_messages", write_concern=majority)

        async def connect(sid: str, _: object, auth: dict[str, str]) -> None:
            await sockets.save_session(sid, {"user": auth["token"]})

        async def send(sid: str, body: dict[str, str]) -> dict[str, object]:
            user = (await sockets.get_session(sid))["user"]
            row = {"_id": body["cid"], "user": user, "text": body["text"], "at": datetime.now(UTC)}
            await messages.insert_one(row)
            return {"ok": True, "message_id": body["cid"]}

        sockets.on("connect", connect)
        sockets.on("chat.send", send)
        await serve(app, int(port))


asyncio.run(main(*sys.argv[1:4]))
