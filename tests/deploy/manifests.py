"""The manifests of deploy/ as they would be applied, to be asked about."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
KUSTOMIZATION: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
RESOURCES: Final[list[dict[str, Any]]] = [
    document
    for name in KUSTOMIZATION["resources"]
    for document in yaml.safe_load_all((DEPLOY / name).read_text())
    if document is not None
]


def the(kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in RESOURCES if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def pod(name: str) -> dict[str, Any]:
    """What a pod of that Deployment is."""
    found: dict[str, Any] = the("Deployment", name)["spec"]["template"]["spec"]
    return found


def labels(name: str) -> dict[str, str]:
    found: dict[str, str] = the("Deployment", name)["spec"]["template"]["metadata"]["labels"]
    return found


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    return dict(found)


def texts(found: Any) -> Iterator[str]:
    """Every key and text in it, however deep."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(found, list):
        for value in found:
            yield from texts(value)
    else:
        yield str(found)
