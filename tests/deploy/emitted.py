"""What the product tells whoever runs it: the events it logs as errors, and the metrics it shows, read from its code."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TREES: Final = {
    path: ast.parse(path.read_text())
    for path in [
        ROOT / "server.py",
        ROOT / "scripts" / "worker.py",
        *(path for part in ("actors", "transport", "storage", "config") for path in (ROOT / part).rglob("*.py")),
    ]
}
LEVELS: Final = frozenset({"error", "critical", "exception"})
REPORTS: Final = frozenset({"report", "_report"})
"""Of these `server.report` makes errors, but for what is well again."""
METRICS: Final = frozenset({"Reading", "Tally", "Counter", "Gauge", "Histogram", "CounterMetricFamily"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def events() -> set[str]:
    """Names of events that are logged as errors or worse, or reported.

    A function that hands its first argument on to the log is one itself: what it is called with counts.
    """
    passing = {
        function.name for tree in TREES.values() for function in _functions(tree) if _hands_on(function) is not None
    }
    return {
        name
        for tree in TREES.values()
        for call in _calls(tree)
        if call.args and (_logs(call) or _called(call) in passing)
        for name in _texts(call.args[0])
    }


def nameless() -> list[str]:
    """Where something is logged as an error, or reported, under a name that can't be read from the code."""
    return [
        f"{path.name}:{call.lineno}"
        for path, tree in TREES.items()
        for call in _calls(tree)
        if _logs(call) and call.args and not [*_texts(call.args[0])] and call not in _handing_on(tree)
    ]


def metrics() -> set[str]:
    """Names of metrics, as they are written where they are made."""
    made = (call for tree in TREES.values() for call in _calls(tree) if _called(call) in METRICS and call.args)
    return {name for call in made for name in _texts(call.args[0])}


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
    return ""


def _logs(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(ast.Name("log"), level):
            return level in LEVELS
        case ast.Name(name) | ast.Attribute(attr=name):
            return name in REPORTS
    return False


def _hands_on(function: Function) -> str | None:
    """The parameter, its first, that it logs."""
    names = [one.arg for one in function.args.args if one.arg != "self"]
    logged = {
        call.args[0].id for call in _calls(function) if _logs(call) and call.args and isinstance(call.args[0], ast.Name)
    }
    return names[0] if names and names[0] in logged else None


def _handing_on(tree: ast.AST) -> list[ast.Call]:
    return [call for function in _functions(tree) if _hands_on(function) for call in _calls(function)]


def _texts(word: ast.expr) -> Iterator[str]:
    match word:
        case ast.Constant(str(text)):
            yield text
        case ast.IfExp(_, one, other):
            yield from _texts(one)
            yield from _texts(other)
