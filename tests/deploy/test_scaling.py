"""docs/scaling.md says what follows from its figures, and those that are settings of something are as set there."""

import re
from collections.abc import Callable

import pytest

from scripts.scaling import ASSUMED, BREAKS, SINGLE, SIZES, TARGET, Load, first, written
from tests.deploy.manifests import DEPLOY, the
from transport.sockets.limits import Limits
from transport.sockets.upkeep import TOGETHER


def test_the_tables_are_those_of_the_figures() -> None:
    text = TARGET.read_text()
    assert text == written(text), "run `.venv/bin/python -m scripts.scaling`"
    assert text.count("<!-- end -->") == 4
    assert "| users | 1 |" in text


def test_figures_that_are_set_elsewhere_are_the_same_there() -> None:
    scaler = the("HorizontalPodAutoscaler", "node")["spec"]
    aims = {one["pods"]["metric"]["name"]: one["pods"]["target"] for one in scaler["metrics"] if one["type"] == "Pods"}
    assert int(aims["actors_awake"]["averageValue"]) == ASSUMED["sockets_per_node"].value
    assert Limits().renew == ASSUMED["renewal"].value
    assert ASSUMED["together"].value == TOGETHER
    assert Limits().connections == 20_000
    configured = (DEPLOY / "balancer" / "haproxy.cfg").read_text()
    assert f"1-{SINGLE} " in configured
    descriptors = int(re.findall(r"fd-hard-limit (\d+)", configured)[0])
    assert ASSUMED["gateway_sockets"].value == descriptors / 2 / 2


@pytest.mark.parametrize(
    ("what", "breaks"), [(what, breaks) for what, breaks, _ in BREAKS], ids=[what[:40] for what, *_ in BREAKS]
)
def test_what_breaks_does_so_from_that_size_on(what: str, breaks: Callable[[Load], bool]) -> None:
    at = first(breaks)
    assert not breaks(Load(at - 1)), what
    assert all(breaks(Load(users)) for users in (at, 2 * at, 10 * at))


def test_more_users_never_need_less() -> None:
    for name in ("nodes", "redis", "writes", "shards"):
        needed = [getattr(Load(users), name) for users in SIZES]
        assert needed == sorted(needed)
