"""What a supervisor tells of itself: who serves, who ended, what it logged."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector

from transport.rest.gauges import Reading, Tally, show


def registry_of(
    serving: Callable[[], int], ended: Mapping[str, int], not_replaced: Mapping[str, int], errors: Mapping[str, int]
) -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(Tally("log_errors", "Errors and worse that were logged", "event", errors))
    registry.register(Tally("supervisor_ended", "Processes that ended by themselves and were replaced", "slot", ended))
    kept = "Times a process was to be renewed, and the next did not get ready"
    registry.register(Tally("supervisor_not_replaced", kept, "slot", not_replaced))
    show(registry, [Reading("supervisor_serving", "Processes that are ready", serving)])
    return registry
