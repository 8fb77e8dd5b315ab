"""One machine as a person starts and stops it; the server is played by a program that keeps its contract."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.settings import without_settings
from scripts.embedded.ports import held_port
from scripts.left_behind import marked

ROOT = Path(__file__).parents[2]
PARTS = ["mongodb", "valkey", "mail", "files", "model", "speech"]
PROGRAM = f"""
from pathlib import Path
from scripts.embedded import server_child
server_child.SERVER = Path({str(Path(__file__).with_name("pretend_server.py"))!r})
from scripts.embedded.__main__ import app
app()
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def mark() -> str:
    return f"MACHINE_TEST={os.getpid()}-{time.monotonic_ns()}"


@pytest.fixture
def port() -> Iterator[int]:
    with held_port() as free:
        yield free


@pytest.fixture
def start(tmp_path: Path, mark: str, port: int) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        name, _, value = mark.partition("=")
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "--data", str(tmp_path), "--port", str(port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=without_settings() | {name: value, "LIFEBUDDY_MODELS": "none"} | variables,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("ready http"):
            return said
    raise AssertionError(said)


def running(tmp_path: Path) -> dict[str, Any]:
    run: dict[str, Any] = json.loads((tmp_path / "run.json").read_text())
    return run


def test_it_starts_shows_each_part_and_drains_in_order(start: Start, tmp_path: Path, mark: str) -> None:
    process = start("--nodes", "2")
    said = until_ready(process)
    assert "given --nodes 2 mongodb,valkey" in said
    assert [part for part in PARTS if f"\n{part} " in said] == PARTS
    assert "LIFEBUDDY_MONGO_URL" in said
    assert "speech: nobody hears, so no calls are made" in said
    assert str(tmp_path / "secrets" / "master-key") in said.replace("\n", "")
    process.send_signal(signal.SIGINT)
    ending, _ = process.communicate(timeout=40)
    assert process.returncode == 0
    assert ending.index("drained by request") < ending.index("stopping Valkey and MongoDB")
    assert marked(mark) == []
    assert not (tmp_path / "run.json").exists()


def test_started_again_it_uses_the_same_servers_on_the_same_ports(start: Start, tmp_path: Path) -> None:
    first = start()
    until_ready(first)
    before = running(tmp_path)["variables"]
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=40)
    second = start()
    until_ready(second)
    assert running(tmp_path)["variables"] == before


def test_a_second_start_on_the_same_data_says_where_the_first_one_is(start: Start, port: int) -> None:
    until_ready(start())
    second, _ = start().communicate(timeout=40)
    assert "already runs on" in second
    assert f"http://127.0.0.1:{port}" in second


def test_a_taken_port_is_said_in_one_line_with_the_fix(start: Start, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        process = start()
        said, _ = process.communicate(timeout=40)
    assert process.returncode == 1
    assert said.startswith(f"port {port} is taken; start with: scripts/run --port ")
    assert said.count("\n") == 1


def test_killed_it_leaves_nothing_running_and_starts_again(start: Start, mark: str) -> None:
    first = start()
    until_ready(first)
    first.kill()
    first.wait()
    deadline = time.monotonic() + 3
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked(mark) == []
    until_ready(start())


@pytest.mark.parametrize("part", ["mongodb", "valkey"])
def test_a_part_that_dies_is_started_again_where_it_was(start: Start, tmp_path: Path, part: str) -> None:
    process = start()
    until_ready(process)
    os.kill(running(tmp_path)["pids"][part], signal.SIGKILL)
    assert process.stdout is not None
    assert f"{part} ended with -9; starting it again" in process.stdout.readline()
    url = running(tmp_path)["variables"]["LIFEBUDDY_REDIS_URL" if part == "valkey" else "LIFEBUDDY_MONGO_URL"]
    where = int(url.rpartition("@")[2].partition("/")[0].partition(":")[2])
    assert _listens(where)


def test_a_server_that_fails_ends_it_all_and_says_so(start: Start, mark: str) -> None:
    process = start("--fail")
    said, _ = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "the server ended with 3 before it was ready" in said
    assert marked(mark) == []


def test_production_refuses_stand_ins_before_anything_starts(start: Start, tmp_path: Path) -> None:
    process = start(LIFEBUDDY_PROFILE="production")
    said, _ = process.communicate(timeout=40)
    assert process.returncode == 1
    assert "LIFEBUDDY_MONGO_URL: is not set" in said
    assert list(tmp_path.iterdir()) == []


def _listens(port: int) -> bool:
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False
