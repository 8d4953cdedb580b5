import pytest
from mutation import checks, load


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__)
def test_contract(check) -> None:
    check(load())
