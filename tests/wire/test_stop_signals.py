"""What signals do to a process: one ends it in good order, its echo is no second one, and a third does not wait."""

import signal
import subprocess
import sys
import time

import pytest

PROCESS = """
import sys, threading, time
from saccade.wire.live import stop_signals
begun, over = time.monotonic(), threading.Event()
def end():
    print("end", flush=True)
    over.set()
with stop_signals(end, float(sys.argv[1])) as stopped:
    print("ready", flush=True)
    over.wait()
    assert stopped()
    time.sleep(float(sys.argv[2]))
class Late:
    def __del__(self, sleep=time.sleep, leaves_s=float(sys.argv[3])):
        sleep(leaves_s)
late = Late()
print("over", flush=True)
"""


def told(linger_s: float, last_words_s: float, *after_s: float, leaves_s: float = 0.0) -> tuple[list[str], int, float]:
    """What a process says that is sent SIGINT at these times, its exit code, and how long it lived on."""
    times = map(str, (linger_s, last_words_s, leaves_s))
    process = subprocess.Popen([sys.executable, "-c", PROCESS, *times], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    begun_s = time.monotonic()
    for at_s in after_s:
        time.sleep(max(0.0, begun_s + at_s - time.monotonic()))
        process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    return said.split(), process.returncode, time.monotonic() - begun_s


@pytest.mark.parametrize("after_s", [(0.0,), (0.0, 0.02), (0.0, 0.01, 0.02, 0.03)])
def test_one_signal_and_its_echoes_end_it_with_its_last_words(after_s: tuple[float, ...]) -> None:
    said, code, _ = told(0.0, 0.2, *after_s)
    assert (said, code) == (["end", "over"], 0)


def test_a_signal_when_all_is_done_changes_nothing() -> None:
    said, code, lived_s = told(0.0, 0.0, 0.0, 0.4, leaves_s=1.0)
    assert (said, code) == (["end", "over"], 0)
    assert lived_s >= 1.0


def test_an_echo_does_not_end_the_lingering_of_a_gate() -> None:
    said, code, lived_s = told(1.0, 0.0, 0.0, 0.02)
    assert (said, code) == (["end", "over"], 0)
    assert lived_s >= 1.0


def test_a_second_signal_ends_the_lingering() -> None:
    said, code, lived_s = told(60.0, 0.0, 0.0, 0.6)
    assert (said, code) == (["end", "over"], 0)
    assert 0.6 <= lived_s < 15.0


def test_a_signal_after_the_end_does_not_wait_for_last_words() -> None:
    assert told(0.0, 60.0, 0.0, 0.6)[:2] == (["end"], 128 + signal.SIGINT)
    assert told(0.5, 60.0, 0.0, 1.5)[:2] == (["end"], 128 + signal.SIGINT)
