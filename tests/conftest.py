"""Shared by all tests: hypothesis without wall-clock deadlines, and where the real recordings are."""

from pathlib import Path

import pytest
from hypothesis import settings

# 40 examples unless a test asks for more: what 100 find, 40 find within a few runs, and each run draws others.
settings.register_profile("saccade", max_examples=40, deadline=None, print_blob=True)
settings.load_profile("saccade")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings beside the checkout; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"real recordings not found at {SHARED}")
    return SHARED


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make golden` rewrites the golden command streams."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/*.json from this run")
