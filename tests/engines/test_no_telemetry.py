"""A robot reports to nobody: ONNX Runtime is told so before it starts, unless the user has told it otherwise."""

import os
import subprocess
import sys

import pytest

CODE = "import os, engines.{module}; print(os.environ['ORT_DISABLE_TELEMETRY'])"


def told(tmp_path, module, **environment):
    """What a fresh process has in its environment, and what it leaves in the user's cache and home."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    kept |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, "-c", CODE.format(module=module)]
    done = subprocess.run(run, env=kept | environment, capture_output=True, text=True, check=True)
    return done.stdout.strip(), [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("module", ["ort", "precision.half"])
def test_nothing_is_kept_or_sent(tmp_path, module):
    assert told(tmp_path, module) == ("1", [])


def test_the_users_own_word_holds(tmp_path):
    assert told(tmp_path, "ort", ORT_DISABLE_TELEMETRY="0")[0] == "0"
