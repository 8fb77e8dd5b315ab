"""Numbers of the inside for `/metrics`, read when somebody asks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import msgspec
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from actors.voice.figures import BOUNDS, Histogram


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


@dataclass(frozen=True, eq=False)
class Tally(Collector):
    """What grows elsewhere, counted by `label`; there is no series before the first. Registries hash their collectors."""

    name: str
    meaning: str
    label: str
    counts: Mapping[str, int]

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self.name, self.meaning, labels=[self.label])
        for label, count in list(self.counts.items()):
            family.add_metric([label], count)
        yield family


@dataclass(frozen=True, eq=False)
class Histograms(Collector):
    """What is kept elsewhere in milliseconds, told in seconds, by `label`."""

    name: str
    meaning: str
    label: str
    kept: Mapping[str, Histogram]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self.name, self.meaning, labels=[self.label])
        bounds = [*(str(bound / 1000) for bound in BOUNDS), "+Inf"]
        for label, histogram in list(self.kept.items()):
            buckets = list(zip(bounds, accumulate(histogram.parts), strict=True))
            family.add_metric([label], buckets, histogram.sum / 1000)
        yield family
