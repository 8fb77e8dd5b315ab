"""What a person's two stock clients see of each other, whichever processes behind the port they have reached."""

import uuid

from tests.flows.app import PASSWORD
from tests.flows.browser import Browser, browser


async def share_one_conversation(url: str) -> bool:
    """A phone (JSON, polling that becomes a WebSocket) and a laptop (msgpack) see the same, live and in order.

    Whether they were at different nodes.
    """
    email = f"{uuid.uuid4().hex}@example.org"
    async with browser("first_device.mjs", url, email, PASSWORD) as phone:
        one = await phone.first("session.ready")
        async with browser("second_device.mjs", url, email, PASSWORD) as laptop:
            other = await laptop.first("session.ready")
            await _talk(phone, laptop)
        transports = [line["data"]["transport"] for line in phone.saw if line["saw"] in {"connect", "upgrade"}]
        assert transports[-1] == "websocket", "polling never became a WebSocket"
    return bool(one["node"] != other["node"])


async def _talk(phone: Browser, laptop: Browser) -> None:
    sent = await phone.send("chat.send", {"cid": str(uuid.uuid4()), "text": "slow: good morning"})
    made = await laptop.send("goal.create", {"cid": str(uuid.uuid4()), "title": "run"})
    assert (sent["ok"], made["ok"]) == (True, True), (sent, made)
    seen = [await device.message(sent["reply_id"]) for device in (phone, laptop)]
    assert seen[0] == seen[1]
    assert seen[0]["data"]["text"].endswith("good morning")
    said = ["".join(signal["data"]["text"] for signal in device.all("signal")) for device in (phone, laptop)]
    assert said[0] == said[1] == seen[0]["data"]["text"]
    assert len(phone.all("signal")) > 2, "it did not stream"
    shared = [event["seq"] for event in laptop.all("event")]
    assert shared == list(range(shared[0], max(seen[0]["seq"], made["seq"]) + 1))
    assert shared == [event["seq"] for event in phone.all("event")][-len(shared) :]
