"""Recordings for the tests of the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import drive_samples, write_run

from saccade.node import Sample


@pytest.fixture(scope="session")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole drive as a recording."""
    return write_run(tmp_path_factory.mktemp("drive") / "run.mcap", drive_samples())


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Write samples as a recording of this test's own."""

    def written(*samples: Sample, types: dict[str, str] | None = None) -> Path:
        return write_run(tmp_path / "run.mcap", samples, types)

    return written
