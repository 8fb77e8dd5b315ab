"""At the terminal a person is asked before anything of theirs is changed, and can take back what was added."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from scripts.benchmarks.programs import node
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from tests.scripted_model import calls, says, scripted_model
from tests.terminal.test_terminal import ANN


class Typing:
    """A terminal in which a line is typed once something is to be seen."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._keyboard, self._screen, self.seen = process.stdin, process.stdout, ""

    async def type(self, line: str, until: str) -> str:
        """What is new on the screen, up to that text and the prompt after it."""
        before = len(self.seen)
        self._keyboard.write(f"{line}\n".encode())
        async with asyncio.timeout(15):
            while until not in self.seen[before:] or not self.seen.endswith("you > "):
                piece = await self._screen.read(4096)
                assert piece, self.seen
                self.seen += piece.decode()
        return self.seen[before:]


@asynccontextmanager
async def terminal(url: str, memory: Path) -> AsyncIterator[Typing]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.terminal", "--url", url, "--memory", str(memory), "--name", "Ann"),
        stdin=pipe,
        stdout=pipe,
        env={**os.environ, **ANN},
    )
    try:
        yield Typing(process)
    finally:
        process.kill()
        await process.communicate()


async def test_a_person_says_yes_no_or_takes_it_back(
    mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path
) -> None:
    async with scripted_model() as model:
        variables = {
            "LIFEBUDDY_MONGO_URL": mongo.url,
            "LIFEBUDDY_MONGO_DATABASE": database,
            "LIFEBUDDY_REDIS_URL": valkey.url,
            "LIFEBUDDY_DATA": str(tmp_path / "data"),
            "OPENAI_API_KEY": "scripted",
            "OPENAI_BASE_URL": model.url,
        }
        async with node(tmp_path / "node.log", variables) as (_, url):
            async with terminal(url, tmp_path / "chat.json") as ann:
                removal = calls(("remove_goal", {"goal": "Chess"}))
                model.script(calls(("create_goal", {"title": "Chess"})), says("Done."), removal, says("Shall I?"))
                assert "done: Add the goal “Chess”  (/undo)" in await ann.type("I want to play chess", "Done.")
                assert "Remove “Chess”?  y / n" in await ann.type("Forget chess", "y / n")
                assert "declined: Remove “Chess”" in await ann.type("n", "declined")
                assert "Chess" in await ann.type("/goals", "Chess")
                assert "undone: Add the goal “Chess”" in await ann.type("/undo", "undone")
                assert "nothing to undo" in await ann.type("/undo", "nothing")
                model.script(calls(("create_goal", {"title": "Chess"})), says("Done."), removal, says("Shall I?"))
                await ann.type("Chess again", "Done.")
                await ann.type("No more chess", "y / n")
            async with terminal(url, tmp_path / "chat.json") as ann:
                await ann.type("/help", "Remove “Chess”?  y / n")
                assert "confirmed: Remove “Chess”" in await ann.type("y", "confirmed")
                assert "No goals yet" in await ann.type("/goals", "No goals")
                model.script(says("You said yes."))
                await ann.type("y", "You said yes.")
