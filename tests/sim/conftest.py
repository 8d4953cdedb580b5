"""Worlds that are opened for something else than their looks."""

from collections.abc import Iterator

import pytest
from painted_once import painted_once


@pytest.fixture
def painted() -> Iterator[None]:
    with painted_once():
        yield
