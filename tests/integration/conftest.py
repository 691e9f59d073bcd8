"""What the tests of several processes share."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from keepintouch.runtime.supervisor import Supervisor


@pytest.fixture
def children() -> Iterator[Supervisor]:
    """Processes that are ended with the test."""
    with Supervisor() as started:
        yield started
