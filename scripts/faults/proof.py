"""At the end: is every acknowledged command in its log once, and have both devices of each user seen that very log?"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from actors.domain.addresses import session_address
from scripts.faults.device import Json, digest
from scripts.faults.installation import DATABASE, Installation
from scripts.faults.people import People, User
from scripts.faults.talk import Kept
from scripts.faults.tally import Tally
from scripts.integrity.command import opened
from storage.mongo import queries
from storage.mongo.connect import Database, connected, kept
from storage.mongo.log import LOG
from storage.mongo.positions import first_seq

BUGS: Final = frozenset(
    {
        "actor.crashed",
        "log.gap",
        "log.rejected",
        "message.poisoned",
        "projection.failed",
        "rest.failed",
        "sockets.task_failed",
        "system.task",
        "task.crashed",
    }
)
"""What no node may ever log, whatever befalls it."""


async def prove(on: Installation, people: People, tally: Tally) -> None:
    """Whatever is wrong becomes a finding."""
    async with connected(on.mongo.url, database=DATABASE) as database:
        for user in people.users:
            log = await user.devices[0].whole_log()
            documents = await _documents(database, user)
            for finding in [*_logged(user, log, documents), *_seen(user, log), *_replied(user, log)]:
                tally.found(f"{user.devices[0].name} and {user.devices[1].name}, {session_address(user.id)}: {finding}")
            tally.replies += sum(1 for event in log if event["data"].get("role") == "coach")
            tally.answered_by.update(
                str(event["data"]["answered_by"]) for event in log if event["data"].get("role") == "coach"
            )
    async with opened(on.stores, lambda finding: tally.found(f"integrity: {finding}")) as integrity:
        await integrity.run()
    for node in on.nodes:
        for log_file in node.logs:
            _read_log(log_file, tally)


async def _documents(database: Database, user: User) -> list[tuple[str, range]]:
    """The cid of each document of the log, and the seqs it holds."""
    query = queries.documents_after(session_address(user.id), -1)
    found = kept(database, LOG).find(query.filter, {"cid": 1, "n": 1})
    return [
        (stored["cid"], range(first_seq(stored["_id"]), first_seq(stored["_id"]) + stored["n"]))
        async for stored in found
    ]


def _logged(user: User, log: Sequence[Json], documents: Sequence[tuple[str, range]]) -> list[str]:
    """Gapless, and every acknowledged command once, at its place, as it was said."""
    findings = []
    if [event["seq"] for event in log] != list(range(1, len(log) + 1)):
        findings.append("the log has gaps")
    times, places = Counter(cid for cid, _ in documents), dict(documents)
    for command in (command for talk in user.talks for command in talk.kept):
        if times[command.cid] != 1:
            findings.append(f"{command.cid} is in the log {times[command.cid]} times")
        elif command.seq not in places[command.cid] or not _is(log[command.seq - 1], command):
            findings.append(f"{command.cid} is not what stands at {command.seq}")
    return findings


def _is(event: Json, command: Kept) -> bool:
    told = event["data"]
    about = told["goal"]["id"] if "goal" in told else told.get("goal_id", told.get("id"))
    text = told["goal"]["title"] if "goal" in told else told.get("text", "")
    return bool((event["type"], about, text) == (command.type, command.about, command.text))


def _seen(user: User, log: Sequence[Json]) -> list[str]:
    """Each device has seen that very log, in order, nothing twice."""
    expected = [digest(event) for event in log]
    findings = []
    for device in user.devices:
        if device.seen != expected:
            pairs = zip(device.seen, expected, strict=False)
            first = next(
                (seq for seq, (seen, there) in enumerate(pairs, 1) if seen != there),
                min(len(device.seen), len(log)) + 1,
            )
            findings.append(f"{device.name} has seen {len(device.seen)} events of {len(log)}; at {first} they differ")
    return findings


def _replied(user: User, log: Sequence[Json]) -> list[str]:
    """Every message once, every owed reply once, and no goal made twice for one request."""
    ids = Counter(event["data"]["id"] for event in log if event["type"] == "message.added")
    made = Counter(event["data"]["reply_id"] for event in log if event["type"] == "action.taken")
    owed = {command.reply_id for talk in user.talks for command in talk.kept if command.reply_id}
    coach = {event["data"]["id"] for event in log if event["data"].get("role") == "coach"}
    return [
        *(f"message {one} is there {times} times" for one, times in ids.items() if times > 1),
        *(f"reply {one} is missing" for one in owed - coach),
        *(f"reply {one} was owed by nobody" for one in coach - owed),
        *(f"reply {one} made {times} goals" for one, times in made.items() if times > 1),
    ]


def _read_log(path: Path, tally: Tally) -> None:
    """Warnings and errors are counted; what is a bug is a finding."""
    for line in path.read_text(errors="replace").splitlines():
        if "Traceback" in line:
            tally.found(f"{path}: {line[:300]}")
        if not line.startswith("{"):
            continue
        told: dict[str, Any] = json.loads(line)
        if told.get("level") in {"warning", "error", "critical"}:
            tally.logged[told["event"]] += 1
        if told.get("event") in BUGS:
            tally.found(f"{path}: {line[:1000]}")
