"""What the tests of several processes share."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from keepintouch.runtime.supervisor import Supervisor


@pytest.fixture
def children() -> Iterator[Supervisor]:
    """Processes that are ended with the test."""
    with Supervisor(stop_within=60) as started:
        yield started
