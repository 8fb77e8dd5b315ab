"""The real openai client against a scripted server on loopback."""

from collections.abc import AsyncIterator

import pytest

from tests.scripted_model import ScriptedModel, scripted_model
from transport.providers.openai_chat import Deadlines, OpenAIChat


@pytest.fixture
async def server() -> AsyncIterator[ScriptedModel]:
    async with scripted_model() as model:
        yield model


@pytest.fixture
async def chat(server: ScriptedModel) -> AsyncIterator[OpenAIChat]:
    """With deadlines that a busy machine keeps."""
    async with OpenAIChat(server.url, "a-key", "some-model") as model:
        yield model


@pytest.fixture
async def hasty(server: ScriptedModel) -> AsyncIterator[OpenAIChat]:
    """For servers that do not keep them."""
    deadlines = Deadlines(first=2.0, between=0.4, whole=2.5)
    async with OpenAIChat(server.url, "a-key", "some-model", deadlines=deadlines) as model:
        yield model
