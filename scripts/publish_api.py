"""Writes docs/api/v1 from the tables: `python -m scripts.publish_api`. With `--check` only compares.

A change that an app could trip over is not written; `docs/api.md` says how such a thing is done instead. With
`--unreleased` it is: for what has never been in a release.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

import actors
import transport
from transport.contract import asyncapi, openapi
from transport.contract.additive import breaks
from transport.contract.gaps import gaps
from transport.contract.schemas import Schema
from transport.rest.table import ROUTES

PUBLISHED = Path(__file__).parents[1] / "docs" / "api" / "v1"


def main() -> int:
    for package in (actors, transport):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    missing = sorted(gaps())
    if missing:
        print("\n".join(missing))
        return 1
    documents = {"openapi.json": openapi.document(ROUTES), "asyncapi.json": asyncapi.document()}
    failed = sum(_publish(PUBLISHED / name, document) for name, document in documents.items())
    return int(failed > 0)


def _publish(path: Path, document: Schema) -> bool:
    """Whether something is wrong."""
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    before = path.read_text() if path.exists() else text
    broken = [] if "--unreleased" in sys.argv else breaks(json.loads(before), json.loads(text))
    for sentence in broken:
        print(f"{path.name}: {sentence}")
    if "--check" in sys.argv:
        if before != text or not path.exists():
            print(f"{path.name} is out of date: run `.venv/bin/python -m scripts.publish_api`")
            return True
    elif not broken:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
