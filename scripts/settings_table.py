"""Writes docs/settings.md from config/settings.py: `python -m scripts.settings_table`, with `--check` only compares."""

import sys
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from config.settings import Settings, variable

TARGET = Path(__file__).parents[1] / "docs" / "settings.md"
HEAD = """\
# Settings

Every setting is an environment variable; `.env` in the working directory and files in `/run/secrets` (named like the
variable, in lower case) are read too, in this order. An empty variable counts as unset. Made by
`python -m scripts.settings_table` from `config/settings.py`.

| variable | default | what it does |
|---|---|---|
"""


def table() -> str:
    rows = [
        f"| `{_variable(name, field)}` | {_default(field.default)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return HEAD + "".join(rows)


def _variable(name: str, field: FieldInfo) -> str:
    aliases = getattr(field.validation_alias, "choices", None)
    return "`, `".join(aliases) if aliases else variable(name)


def _default(value: Any) -> str:
    if value is None or value == ():
        return "unset"
    text = ",".join(str(part) for part in value) if isinstance(value, tuple) else str(value)
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def main() -> int:
    current = TARGET.read_text() if TARGET.exists() else ""
    if "--check" in sys.argv:
        if current != table():
            print("docs/settings.md is out of date: run `.venv/bin/python -m scripts.settings_table`")
        return int(current != table())
    TARGET.write_text(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
