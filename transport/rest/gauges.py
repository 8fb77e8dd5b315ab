"""Numbers of the inside for `/metrics`, read when somebody asks."""

from collections.abc import Callable, Sequence

import msgspec
from prometheus_client import CollectorRegistry, Gauge


class Reading(msgspec.Struct, frozen=True):
    """A number now. Several of one name are told apart by `where`."""

    name: str
    meaning: str
    read: Callable[[], float]
    where: str = ""


def show(registry: CollectorRegistry, readings: Sequence[Reading]) -> None:
    """From now on they stand among the registry's metrics."""
    gauges: dict[str, Gauge] = {}
    for one in readings:
        if one.name not in gauges:
            gauges[one.name] = Gauge(one.name, one.meaning, ["where"] if one.where else [], registry=registry)
        gauge = gauges[one.name]
        (gauge.labels(one.where) if one.where else gauge).set_function(one.read)
