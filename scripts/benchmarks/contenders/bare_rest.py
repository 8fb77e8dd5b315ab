"""The baseline of `rest`: an aiohttp handler with one `find_one`, and nothing else.

Arguments: MongoDB's URL, the name of a database, the port to listen on.
"""

import asyncio
import sys
from typing import Any

from aiohttp import web
from pymongo import AsyncMongoClient

from scripts.benchmarks.contenders.serving import serve

GOAL = {
    "_id": "g1",
    "title": "Run 10 km",
    "kind": "goal",
    "status": "open",
    "progress": 40.0,
    "due": "2027-06-30",
    "metric": {"unit": "km", "target": 10, "current": 4},
}


async def main(mongo_url: str, database: str, port: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](mongo_url) as client:
        goals = client[database].get_collection("goals")
        await goals.insert_one(GOAL)

        async def get(request: web.Request) -> web.Response:
            return web.json_response(await goals.find_one({"_id": request.match_info["goal_id"]}))

        app = web.Application()
        app.router.add_get("/v1/goals/{goal_id}", get)
        await serve(app, int(port))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
