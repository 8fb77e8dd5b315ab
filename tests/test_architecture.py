"""The house stands as it is drawn: who imports whom, that each module imports alone, how large things are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("actors", "transport", "storage", "config")
TOP_LEVEL = {"actors", "transport", "storage", "config", "scripts", "tests", "server.py", "pyproject.toml"}
BESIDE = {"web", "deploy", "docs"}
RUNTIME_LINES = 600
"""The plain actor's, which is read first; the journaled one has a room of its own."""
FILE_LINES, FUNCTION_LINES, NESTING = 300, 30, 3
NESTS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def tracked() -> list[Path]:
    """Files of the checkout; in an image without git, everything."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return [ROOT / line for line in listed.stdout.splitlines()] if listed.returncode == 0 else list(ROOT.rglob("*"))


def modules() -> list[Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def test_the_top_level_is_what_was_given() -> None:
    first = {path.relative_to(ROOT).parts for path in tracked()}
    folders = {parts[0] for parts in first if len(parts) > 1 and not parts[0].startswith(".")}
    python = {parts[0] for parts in first if len(parts) == 1 and parts[0].endswith(".py")}
    assert folders <= TOP_LEVEL | BESIDE
    assert python == {"server.py"}


@pytest.mark.timeout(60)
def test_imports_go_one_way() -> None:
    """The contracts stand in pyproject.toml."""
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout[-3000:]


ALONE = """
import importlib, pkgutil, sys
names = [name for package in sys.argv[1:] for _, name, _ in pkgutil.walk_packages([package], package + ".")]
kept = set(sys.modules)
for name in ["server", *names]:
    ours = [loaded for loaded in sys.modules if loaded.split(".")[0] in {*sys.argv[1:], "server"}]
    for loaded in ours:
        del sys.modules[loaded]
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.timeout(60)
def test_each_module_imports_alone() -> None:
    """None relies on another having been imported before it."""
    alone = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE, *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0, alone.stderr[-2000:]
    assert int(alone.stdout) > len(PACKAGES)


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in modules() if path.name != "__init__.py" and ast.get_docstring(_tree(path)) is None]
    assert not silent


def test_sizes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is over the house's measure is shown, not hidden; only the runtime's whole size is a promise."""
    looked_at = [*modules(), *sorted((ROOT / "scripts").rglob("*.py")), ROOT / "server.py"]
    over = [line for path in looked_at for line in _over(path)]
    runtime = sum(_code_lines(path) for path in (ROOT / "actors" / "runtime").glob("*.py"))
    with capsys.disabled():
        print(f"\nactors/runtime: {runtime} lines of code")
        print("\n".join(over) or "nothing is over the house's measure")
    assert runtime <= RUNTIME_LINES


def _over(path: Path) -> Iterator[str]:
    name, tree = path.relative_to(ROOT), _tree(path)
    lines = len(path.read_text().splitlines())
    if lines > FILE_LINES:
        yield f"{name}: {lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
            if length > FUNCTION_LINES:
                yield f"{name}: {node.name} has {length} lines"
            depth = _depth(node) - 1
            if depth > NESTING:
                yield f"{name}: {node.name} is nested {depth} deep"


def _depth(node: ast.AST) -> int:
    return isinstance(node, (*NESTS, ast.FunctionDef, ast.AsyncFunctionDef)) + max(
        (_depth(child) for child in ast.iter_child_nodes(node)), default=0
    )


def _docstring_lines(node: ast.AST) -> int:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def _code_lines(path: Path) -> int:
    """Lines without blanks, comments and docstrings."""
    source = path.read_text()
    kept = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return len(kept) - sum(_docstring_lines(node) for node in ast.walk(ast.parse(source)))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())
