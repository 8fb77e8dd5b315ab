"""Processes behind one port, seen from outside: killed, replaced, orphaned; whoever connects is always answered."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from scripts.embedded.ports import held_port
from transport.slot import ArgumentError, read_arguments

ROOT = Path(__file__).parents[2]


class Supervised:
    """`said` is what was printed so far; `rooms` is where its processes meet."""

    def __init__(self, running: asyncio.subprocess.Process, port: int, rooms: Path) -> None:
        self.running = running
        self.port = port
        self.rooms = rooms
        self.said: list[str] = []

    async def until(self, start: str, count: int = 1) -> list[str]:
        assert self.running.stdout is not None
        async with asyncio.timeout(15):
            while len(found := [line for line in self.said if line.startswith(start)]) < count:
                line = await self.running.stdout.readline()
                assert line, self.said
                self.said.append(line.decode().strip())
        return found

    async def pid(self) -> int:
        """Whoever answers a connection."""
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            told = await reader.read()
            writer.close()
        return int(told)

    async def pids(self, count: int) -> set[int]:
        """All who answer, once there are so many."""
        found: set[int] = set()
        async with asyncio.timeout(10):
            while len(found) < count:
                found.add(await self.pid())
        return found

    async def gone(self, pids: set[int]) -> None:
        async with asyncio.timeout(10):
            while any(_lives(pid) for pid in pids):  # noqa: ASYNC110 - nobody is told of another's children
                await asyncio.sleep(0.05)


def _lives(pid: int) -> bool:
    try:
        return ") Z " not in Path("/proc", str(pid), "stat").read_text()
    except FileNotFoundError:
        return False


@asynccontextmanager
async def supervised(directory: Path, nodes: int) -> AsyncIterator[Supervised]:
    with held_port() as port:
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.transport.pretend_node", str(port), str(nodes), str(directory / "broken")),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(directory)},
        )
        try:
            yield Supervised(running, port, directory)
        finally:
            if running.returncode is None:
                running.terminate()
            await running.wait()


Start = Callable[[int], Awaitable[Supervised]]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(nodes: int) -> Supervised:
            one = await stack.enter_async_context(supervised(tmp_path, nodes))
            await one.until("ready http://pretended")
            return one

        yield start


async def test_a_killed_node_is_buried_and_replaced_and_nobody_is_refused(start: Start) -> None:
    ours = await start(2)
    before = await ours.pids(2)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    await ours.until("buried ")
    answered = {await ours.pid() for _ in range(30)}
    assert killed not in answered
    assert len(await ours.pids(2) - before) == 1


async def test_a_rolling_restart_replaces_all_and_refuses_nobody(start: Start) -> None:
    ours = await start(2)
    before = await ours.pids(2)
    ours.running.send_signal(signal.SIGHUP)
    answered: list[int] = []
    async with asyncio.timeout(15):
        while before & set(answered[-20:]) or len(answered) < 40:
            answered.append(await ours.pid())
    after = await ours.pids(2)
    assert not after & before
    await ours.gone(before)


async def test_a_next_one_that_does_not_start_leaves_the_one_before_in_place(start: Start) -> None:
    ours = await start(1)
    before = await ours.pids(1)
    (ours.rooms / "broken").touch()
    ours.running.send_signal(signal.SIGHUP)
    await ours.until("buried ")
    assert await ours.pids(1) == before


async def test_who_keeps_dying_is_started_more_and_more_seldom(start: Start) -> None:
    ours = await start(1)
    (ours.rooms / "broken").touch()
    os.kill(await ours.pid(), signal.SIGKILL)
    began = time.monotonic()
    await ours.until("buried ", 3)
    assert time.monotonic() - began > 1.0
    (ours.rooms / "broken").unlink()
    assert await ours.pids(1)


async def test_with_the_supervisor_killed_its_nodes_end_and_leave_nothing(start: Start) -> None:
    ours = await start(2)
    pids = await ours.pids(2)
    assert len(list(ours.rooms.glob("lifebuddy-*/*"))) == 3, "and the supervisor"
    ours.running.kill()
    await ours.gone(pids)
    assert list(ours.rooms.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        await ours.pid()


async def test_sigterm_ends_all_and_leaves_nothing(start: Start) -> None:
    ours = await start(3)
    pids = await ours.pids(3)
    ours.running.terminate()
    assert await ours.running.wait() == 0
    await ours.gone(pids)
    assert list(ours.rooms.iterdir()) == []


async def test_a_port_somebody_has_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = (sys.executable, "-m", "tests.transport.pretend_node", str(port), "2", str(tmp_path / "broken"))
        running = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
        _, told = await running.communicate()
    assert running.returncode == 1
    assert b"in use" in told


async def test_nodes_that_do_not_start_end_it(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    async with supervised(tmp_path, 2) as ours:
        assert await ours.running.wait() == 1


@pytest.mark.parametrize("words", [["--nodes"], ["--nodes", "0"], ["--nodes", "many"], ["--nodes=2"], ["--prot", "1"]])
def test_other_arguments_are_refused_by_name(words: list[str]) -> None:
    with pytest.raises(ArgumentError, match=words[0]):
        read_arguments(words)
    assert read_arguments(["--nodes", "3"]) == (3, None)


async def test_a_line_nobody_can_hold_is_dropped_and_the_node_goes_on(start: Start, tmp_path: Path) -> None:
    (tmp_path / "loud").touch()
    ours = await start(1)
    await ours.until("heard")
    assert len(await ours.pids(1)) == 1
