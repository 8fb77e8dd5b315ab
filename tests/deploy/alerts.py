"""The alert rules of deploy/alerts.yaml, and what stands in them."""

import re
from typing import Any, Final

import yaml

from tests.deploy.manifests import DEPLOY

RULES: Final[list[dict[str, Any]]] = [
    rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
ALERTS: Final = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED: Final = {rule["record"] for rule in RULES if "record" in rule}
WORDS: Final = frozenset({"and", "or", "unless", "offset", "by", "without", "on", "ignoring"})
ITS_OWN: Final = frozenset({"up"})
"""What Prometheus itself knows of whom it asks."""


def named(expression: str) -> set[str]:
    """The metrics a PromQL expression asks for: names that are no function, no word of the language and no label."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without|on|ignoring) *\([^)]*\)|\boffset +\w+", " ", expression)
    return set(re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*\b(?! *\()", bare)) - WORDS


ASKED: Final = set().union(*(named(rule["expr"]) for rule in RULES)) - RECORDED - ITS_OWN
