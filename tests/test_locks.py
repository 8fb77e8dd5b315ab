"""The locks hold what pyproject.toml asks for: pinned, hashed, and without an address of any index."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-embedded.lock": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["embedded"],
    ],
    "requirements-local.lock": PROJECT["project"]["optional-dependencies"]["local"],
    "requirements-traces.lock": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["traces"],
    ],
    "requirements-dev.lock": [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]],
    "requirements-uv.lock": ["uv"],
}
LOCKS = sorted(ASKED)


def pins(lock: str) -> dict[str, str]:
    """Name → version of every entry; an entry without a hash is not counted."""
    entry = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)[^\n]*\\\n\s+--hash=sha256:[0-9a-f]{64}", re.MULTILINE)
    return {canonicalize_name(name): version for name, version in entry.findall((ROOT / lock).read_text())}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_direct_dependency_is_pinned_within_what_is_asked(lock: str) -> None:
    pinned = pins(lock)
    for text in ASKED[lock]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)], prereleases=True), text


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_has_a_hash_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert len(pins(lock)) == len(re.findall(r"^[A-Za-z0-9]\S*==", text, re.MULTILINE))
    assert not re.search(r"://|index-url|find-links|trusted-host| /", text)


def test_all_locks_agree() -> None:
    everything = pins("requirements-dev.lock")
    for lock in (
        "requirements.lock",
        "requirements-embedded.lock",
        "requirements-local.lock",
        "requirements-traces.lock",
    ):
        shared = {name: version for name, version in pins(lock).items() if name in everything}
        assert shared == {name: everything[name] for name in shared}, lock


def test_the_server_s_image_carries_no_embedded_server() -> None:
    assert not [name for name in pins("requirements.lock") if name.startswith(("fiftyone", "valkey", "xllama"))]


def test_the_javascript_lock_carries_hashes_and_no_addresses() -> None:
    packages = json.loads((ROOT / "tests/js/package-lock.json").read_text())["packages"]
    installed = [entry for path, entry in packages.items() if path]
    assert installed
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in installed)


def test_every_direct_dependency_s_licence_is_told() -> None:
    told = (ROOT / "THIRD_PARTY.md").read_text()
    asked = {Requirement(text).name for texts in ASKED.values() for text in texts}
    asked |= set(json.loads((ROOT / "tests/js/package.json").read_text())["dependencies"])
    assert sorted(name for name in asked if not re.search(rf"(?<!\w){re.escape(name)}\b", told)) == []
