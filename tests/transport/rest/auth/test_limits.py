"""Who tries too often is told when to come again; who guesses gets slower; and nobody is locked out by strangers."""

import asyncio
import time
from typing import Any

import pytest

from actors.ports import Take
from actors.runtime.envelope import Unavailable
from tests.transport.rest.auth.conftest import ANN, LOGIN, House, Node
from transport.limits import Gate, HereCounters, Limits, read_limit

WRONG = {**LOGIN, "password": "something else"}
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.1"


async def post(node: Node, path: str, body: Any, address: str) -> tuple[int, Any, Any]:
    async with node.client.post(path, json=body, headers={"X-Forwarded-For": address}) as response:
        return response.status, await response.json(), response.headers


@pytest.fixture
async def limited(house: House) -> Node:
    """A node with the limits people meet."""
    house.limits = Limits()
    return await house.node()


async def test_three_registrations_an_hour_from_an_address(limited: Node) -> None:
    people = [{**ANN, "email": f"ann{n}@example.org"} for n in range(5)]
    for person in people[:3]:
        status, _, headers = await post(limited, "/v1/auth/register", person, HOME)
        assert status == 201
        assert headers["RateLimit-Policy"] == '"register";q=3;w=3600'
    assert headers["RateLimit"].startswith('"register";r=0;t=')
    status, problem, headers = await post(limited, "/v1/auth/register", people[3], HOME)
    assert (status, problem["code"]) == (429, "rate_limited")
    assert 1_190_000 < problem["retry_after_ms"] <= 1_200_000
    assert headers["Retry-After"] == "1200"
    assert (await post(limited, "/v1/auth/register", people[4], ELSEWHERE))[0] == 201


async def test_a_registration_that_was_not_accepted_is_not_counted(limited: Node) -> None:
    for _ in range(4):
        assert (await post(limited, "/v1/auth/register", {**ANN, "password": "short"}, HOME))[0] == 422
    assert (await post(limited, "/v1/auth/register", ANN, HOME))[0] == 201


async def test_two_nodes_count_together_and_ipv6_by_the_network(house: House, limited: Node) -> None:
    nodes = (limited, await house.node())
    addresses = [f"2001:db8::{n:x}" for n in range(1, 12)]
    logins = [
        await post(nodes[n % 2], "/v1/auth/login", {**WRONG, "email": f"p{n}@example.org"}, address)
        for n, address in enumerate(addresses)
    ]
    assert [status for status, _, _ in logins] == [401] * 10 + [429]
    assert '"login";r=0' in logins[-1][2]["RateLimit"]


async def test_guessing_gets_slower_and_then_has_to_wait_whether_or_not_there_is_an_account(
    limited: Node, ann: dict[str, Any]
) -> None:
    del ann

    async def guess(email: str) -> tuple[list[float], list[int]]:
        took, statuses = [], []
        for n in range(6):
            began = time.monotonic()
            status, _, _ = await post(limited, "/v1/auth/login", {**WRONG, "email": email}, f"203.0.113.{n}")
            statuses.append(status)
            took.append(time.monotonic() - began)
        return took, statuses

    for took, statuses in await asyncio.gather(guess("ann@example.org"), guess("nobody@example.org")):
        assert statuses == [401] * 5 + [429]
        assert took[0] < took[2] < took[4]
        assert took[4] - took[0] > 1.5


async def test_a_hundred_guesses_at_once_are_no_more_than_five(limited: Node, ann: dict[str, Any]) -> None:
    del ann
    answers = await asyncio.gather(
        *(post(limited, "/v1/auth/login", WRONG, f"203.0.113.{n}") for n in range(40)),
    )
    assert sorted(status for status, _, _ in answers) == [401] * 5 + [429] * 35


async def test_whoever_signed_in_here_before_is_not_locked_out_by_strangers(limited: Node, ann: dict[str, Any]) -> None:
    del ann
    assert (await post(limited, "/v1/auth/login", LOGIN, HOME))[0] == 200
    await asyncio.gather(*(post(limited, "/v1/auth/login", WRONG, f"198.51.100.{n}") for n in range(8)))
    assert (await post(limited, "/v1/auth/login", LOGIN, ELSEWHERE))[0] == 429
    assert (await post(limited, "/v1/auth/login", LOGIN, HOME))[0] == 200


async def test_whoever_registered_here_is_no_stranger_either(limited: Node) -> None:
    assert (await post(limited, "/v1/auth/register", ANN, HOME))[0] == 201
    await asyncio.gather(*(post(limited, "/v1/auth/login", WRONG, f"198.51.100.{n}") for n in range(8)))
    assert (await post(limited, "/v1/auth/login", LOGIN, HOME))[0] == 200


async def test_the_right_password_is_no_failure(house: House, ann: dict[str, Any]) -> None:
    del ann
    house.limits = Limits(attempts=read_limit("login.account", "50/5min"))
    node = await house.node()
    for _ in range(8):
        assert (await post(node, "/v1/auth/login", LOGIN, HOME))[0] == 200


class Away(HereCounters):
    """Redis, gone."""

    asked = 0

    async def take(self, takes: Any) -> Any:
        self.asked += 1
        raise Unavailable


async def test_while_the_shared_count_is_away_people_sign_in_and_guessing_is_counted_here(
    capsys: pytest.CaptureFixture[str],
) -> None:
    away = Away()
    gate = Gate(away, Limits())
    waits = [(await gate.take_all([Take(Limits().register, HOME)]))[0].wait for _ in range(4)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 1000
    assert away.asked == 1, "it is not waited for each time"
    assert capsys.readouterr().out.count("limits.counted_here") == 1


def test_limits_are_written_as_so_many_in_a_time() -> None:
    assert read_limit("x", "5/15min").policy == '"x";q=5;w=900'
    assert read_limit("x", "1/min").rate == 1 / 60
    for wrong in ("5", "0/h", "5/0h", "5/week", "-1/h", ""):
        with pytest.raises(ValueError, match="so many in a time"):
            read_limit("x", wrong)
