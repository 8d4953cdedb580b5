"""`saccade engine` in a process of its own, with a compiler of `own_compiler`."""

import os
import signal
import subprocess
import sys
import time

DRIVER = """
import sys
import own_compiler
own_compiler.use(sys.argv[1])
from saccade.cli import main
raise SystemExit(main(["engine", *sys.argv[2:]]))
"""


def command(compiler, *args):
    return [sys.executable, "-c", DRIVER, compiler, *args]


def build(compiler, card, *more):
    return command(compiler, "build", card.path, "--quiet", *more)


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def started(argv):
    """A process that hears Ctrl-C, also where these tests run in the background of a shell that keeps it from them."""
    return subprocess.Popen(
        argv, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # no threads here
    )  # fmt: skip


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
