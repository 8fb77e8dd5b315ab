"""Nothing that was started outlives its owner, and two owners never get in each other's way."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.embedded.child import Child, StartError
from scripts.embedded.ports import held_port

ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from pathlib import Path
from scripts.embedded.child import Child
child = Child("sleeper", ["/bin/sleep", "60"], Path(sys.argv[1]))
child.start()
if sys.argv[2] == "frozen":
    child.freeze()
print(child.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int, within: float = 3.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("state", ["running", "frozen"])
def test_a_killed_owner_takes_its_children_along(tmp_path: Path, state: str) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path / "log"), state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        time.sleep(0.2)
        owner.send_signal(signal.SIGKILL)
    assert gone(child)


async def test_one_that_ends_at_once_says_why(tmp_path: Path) -> None:
    child = Child("doomed", ["/bin/sh", "-c", "echo out of luck; exit 3"], tmp_path / "log")
    child.start()
    with pytest.raises(StartError, match=r"doomed ended with 3: out of luck"):
        await child.until(_never, within=5)


async def test_one_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    child = Child("slow", ["/bin/sleep", "60"], tmp_path / "log")
    child.start()
    with pytest.raises(StartError, match="not ready in 0 s"):
        await child.until(_never, within=0.1)
    child.kill()
    assert not child.alive


async def test_one_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo set; while :; do sleep 0.1; done"
    child = Child("stubborn", ["/bin/sh", "-c", script], tmp_path / "log")
    child.start()
    await child.until(_said(tmp_path / "log"), within=5)
    assert await child.stop(within=0.3) is False
    assert not child.alive
    await asyncio.sleep(0.2)  # its own sleep ends


def test_two_holders_never_get_the_same_port() -> None:
    with ExitStack() as stack:
        first = stack.enter_context(held_port())
        second = stack.enter_context(held_port(first))
        assert first != second
        assert max(first, second) < 32_768
    with held_port(first) as again:
        assert again == first


async def _never() -> bool:
    return False


def _said(log: Path) -> Callable[[], Awaitable[bool]]:
    async def said() -> bool:
        return log.stat().st_size > 0  # nothing else runs in this loop

    return said
