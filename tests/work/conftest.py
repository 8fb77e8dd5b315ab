"""What the tests of deciding begin with."""

import pytest

from tests.session.story import Story


@pytest.fixture
def story() -> Story:
    return Story()
