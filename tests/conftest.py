"""Shared by all tests: hypothesis without wall-clock deadlines, and where the real recordings are."""

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in each run, so that a change is judged by what it changed; `make fuzz` draws others, and more.
settings.register_profile("saccade", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("fuzz", max_examples=400, deadline=None, print_blob=True)
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
