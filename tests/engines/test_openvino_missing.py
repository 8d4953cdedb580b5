"""OpenVINO is an extra: without it, what needs it says what to install."""

import sys

import pytest

from engines.compiler import BuildPlan
from engines.engine import EngineError
from engines.openvino import OpenVinoCompiler, OpenVinoEngine
from engines.options import OpenVinoOptions


@pytest.mark.parametrize("call", [
    lambda: OpenVinoEngine("m", b"", OpenVinoOptions(), BuildPlan()),
    lambda: OpenVinoCompiler().versions(),
    lambda: OpenVinoCompiler().build(b"", BuildPlan(), None, lambda what, share: None),
    lambda: OpenVinoCompiler().load("m", b"", BuildPlan()),
])  # fmt: skip
def test_without_openvino_the_error_says_what_to_install(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineError, match=r"saccade\[openvino\]"):
        call()
