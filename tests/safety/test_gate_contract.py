import gate_contract
import pytest
from mutation import load

CHECKS = [check for name, check in vars(gate_contract).items() if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_gate(check) -> None:
    check(load())
