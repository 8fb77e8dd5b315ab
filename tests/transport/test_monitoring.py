"""Programs without doors are watched too, by those who may."""

from ipaddress import ip_network

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from transport.monitoring import monitored
from transport.rest.gauges import Tally


@pytest.mark.parametrize(("readers", "status"), [("127.0.0.0/8", 200), ("10.0.0.0/8", 403)])
async def test_metrics_are_for_listed_addresses_and_health_for_everybody(readers: str, status: int) -> None:
    registry = CollectorRegistry()
    registry.register(Tally("things", "That were done", "kind", {"one": 3}))
    async with (
        monitored(registry, "127.0.0.1", 0, [ip_network(readers)]) as url,
        aiohttp.ClientSession() as http,
    ):
        async with http.get(f"{url}/metrics") as answer:
            assert answer.status == status
            assert ('things_total{kind="one"} 3.0' in await answer.text()) == (status == 200)
        async with http.get(f"{url}/healthz") as answer:
            assert answer.status == 200


async def test_without_a_port_nothing_listens() -> None:
    async with monitored(CollectorRegistry(), "127.0.0.1", None, []) as url:
        assert url is None
