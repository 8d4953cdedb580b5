import pytest
from mutation import checks, load


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
@pytest.mark.parametrize("check", checks(), ids=lambda check: check.__name__)
def test_contract(check, compiled: bool) -> None:
    check(load(compiled=compiled))
