"""The terminal client against a real node: in by itself, out with one line when something is wrong."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pyotp
import pytest_asyncio
from rich.console import Console
from typer.testing import CliRunner

from scripts.benchmarks.programs import node
from scripts.embedded.mongo import ReplicaSet
from scripts.embedded.valkey import Valkey
from scripts.terminal.account import Memory
from scripts.terminal.entry import Entry, Given, account_at

ANN = {"LIFEBUDDY_CHAT_EMAIL": "ann@example.org", "LIFEBUDDY_CHAT_PASSWORD": "a walk every morning 7"}
OFFLINE = "No language model is connected"


class Terminal:
    def __init__(self, url: str, memory: Path) -> None:
        self.url = url
        self.memory = memory

    async def run(self, *arguments: str, typed: str = "", **variables: str) -> tuple[int | None, str, str]:
        """Exit code, standard output, standard error."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scripts.terminal", "--url", self.url, "--memory", str(self.memory), *arguments),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env={**os.environ, **variables},
        )
        out, err = await process.communicate(typed.encode())
        return process.returncode, out.decode(), err.decode()


@pytest_asyncio.fixture
async def terminal(mongo: ReplicaSet, valkey: Valkey, database: str, tmp_path: Path) -> AsyncIterator[Terminal]:
    variables = {
        "LIFEBUDDY_MONGO_URL": mongo.url,
        "LIFEBUDDY_MONGO_DATABASE": database,
        "LIFEBUDDY_REDIS_URL": valkey.url,
        "LIFEBUDDY_DATA": str(tmp_path / "data"),
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": "",
    }
    async with node(tmp_path / "node.log", variables) as (_, url):
        yield Terminal(url, tmp_path / "chat.json")


async def test_a_new_person_registers_asks_once_and_is_remembered(terminal: Terminal) -> None:
    code, said, wrong = await terminal.run("--name", "Ann", "--once", "hello", **ANN)
    assert (code, wrong) == (0, "")
    assert OFFLINE in said
    assert said.endswith("\n")
    assert terminal.memory.stat().st_mode & 0o777 == 0o600
    code, said, _ = await terminal.run("--once", "hello again")
    assert code == 0
    assert OFFLINE in said


async def test_line_by_line_a_person_talks_sees_goals_and_history(terminal: Terminal) -> None:
    typed = "good morning\n"
    code, said, wrong = await terminal.run("--name", "Ann", typed=typed, **ANN)
    assert (code, wrong) == (0, "")
    assert OFFLINE in said
    code, said, _ = await terminal.run(typed="/goals\n/history\n/unheard of\n/quit\nnever said\n")
    assert code == 0
    assert "No goals yet" in said
    assert "you > good morning" in said
    assert said.count("/quit") == 2  # the greeting, and the answer to what is unheard of
    assert "never said" not in said


async def test_who_has_a_second_factor_is_asked_for_a_code(terminal: Terminal) -> None:
    await terminal.run("--name", "Ann", "--once", "hello", **ANN)
    code = await with_a_second_factor(terminal.url)
    assert "authenticator app" in await complaint(terminal, "--once", "hello", **ANN)
    assert "not right" in await complaint(terminal, "--code", "000000", "--once", "hello", **ANN)
    async with account_at(terminal.url, Memory(terminal.memory, terminal.url)) as account:
        given = Given(ANN["LIFEBUDDY_CHAT_EMAIL"], ANN["LIFEBUDDY_CHAT_PASSWORD"])
        with CliRunner().isolation(input=f"000000\n{code}\n"):  # mistyped once
            await Entry(Console(), given, ask=True).enter(account)
        assert (await account.read("/v1/me"))["name"] == "Ann"


async def with_a_second_factor(url: str) -> str:
    """Of Ann from now on; a recovery code."""
    async with aiohttp.ClientSession(url) as http:

        async def post(path: str, body: dict[str, str], token: str = "") -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with http.post(f"/v1/auth/{path}", json=body, headers=headers) as response:
                assert response.ok, await response.text()
                answer: dict[str, Any] = {} if response.status == HTTPStatus.NO_CONTENT else await response.json()
                return answer

        password = ANN["LIFEBUDDY_CHAT_PASSWORD"]
        token = (await post("login", {"email": ANN["LIFEBUDDY_CHAT_EMAIL"], "password": password}))["access_token"]
        await post("reauth", {"password": password, "scope": "factors"}, token)
        secret = (await post("mfa/totp/enroll", {}, token))["secret"]
        confirmed = await post("mfa/totp/confirm", {"code": pyotp.TOTP(secret).now()}, token)
        return str(confirmed["recovery_codes"][0])


async def test_what_the_server_refuses_is_said_in_one_line(terminal: Terminal) -> None:
    await terminal.run("--name", "Ann", "--once", "hello", **ANN)
    wrong_password = {**ANN, "LIFEBUDDY_CHAT_PASSWORD": "another password 7"}
    assert "not right" in await complaint(terminal, "--once", "hello", **wrong_password)
    assert "is not as it should be" in await complaint(terminal, "--once", "x" * 20_000)


async def test_without_a_server_or_an_account_it_says_what_to_do(tmp_path: Path) -> None:
    nowhere = Terminal("http://127.0.0.1:9", tmp_path / "chat.json")
    assert "scripts/run" in await complaint(nowhere, "--once", "hello", **ANN)
    assert "--help" in await complaint(nowhere, "--once", "hello")


async def complaint(terminal: Terminal, *arguments: str, **variables: str) -> str:
    code, said, wrong = await terminal.run(*arguments, **variables)
    assert (code, said, wrong.count("\n")) == (1, "", 1)
    assert "Traceback" not in wrong
    return wrong
