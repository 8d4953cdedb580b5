"""A node as a process on a live bus: signals that end it in good order, priority, and where its frames' time went."""

from __future__ import annotations

import ctypes
import gc
import logging
import math
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from saccade.clock import SEC, perf_ns
from saccade.node import Node, Out, Sample, run
from saccade.topics import topic
from saccade.wire.codec import codec
from saccade.wire.convert import header, header_stamp_ns, starts_with_header
from saccade.wire.diagnostics import Level, encode_diagnostics
from saccade.wire.open import open_bus

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
GATE_PRIORITY = 40
"""SCHED_FIFO priority of the gate: above everything ordinary, below the kernel's interrupt threads at 50."""
_FALLBACK_NICE = -15
_ECHO_S = 0.3
"""A signal that comes again so soon is the same one: a terminal and the launch system in it both tell every process."""
_LOCK_TOUCHED = 1 | 2 | 4  # MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT
_PR_SET_TIMERSLACK = 29
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def serve(node: Node, url: str, linger_s: float = 0.0) -> None:
    """Run a node on a bus until SIGINT or SIGTERM ends it or the bus ends; its last words are sent before the return.

    It works on for `linger_s` after the signal: a gate outlives the nodes that it guards when a terminal or a launch
    system tells all of them at once (both, within `_ECHO_S`, are one signal). A second signal ends that; one more does
    not wait for the last words.
    """
    keep_memory()
    bus = open_bus(url, node.reads, node.writes | {"stage_times"})
    if introduce := getattr(bus, "introduce", None):
        introduce(node.name)
    gc.collect()
    gc.freeze()  # what is there now stays: later collections need not walk it
    try:
        with stop_signals(getattr(bus, "end", lambda: None), linger_s) as stopped:
            run([StageTimes(node, bus.now_ns, getattr(bus, "problems", list))], bus, stopped)
    finally:
        bus.close()


def keep_memory() -> None:
    """Let freed blocks of an image's size be used again rather than returned to the system (glibc; else no effect).

    Mapping and zeroing fresh pages costs more than copying the image into them.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 128 << 20)


@contextmanager
def stop_signals(then: Callable[[], None], linger_s: float = 0.0) -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a call of `then`, from a thread of its own; yields whether that was made.

    With `linger_s` the call comes so much later, or with a second signal. The signal after that ends the process. What
    comes when all is done is not heard: a launch system tells each process what its terminal has told it already.

    The thread is woken by the C signal handler itself, so it need not wait for the main thread to come back from C.
    """
    stopped = threading.Event()
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)

    def watch() -> None:
        last, last_s, until_s = b"", -math.inf, math.inf
        while True:
            wait_s = None if math.isinf(until_s) else max(0.0, until_s - time.monotonic())
            if select.select([read_fd], [], [], wait_s)[0]:
                if (byte := os.read(read_fd, 1)) in (b"", b"\0"):
                    return
                now_s = time.monotonic()
                if byte == last and now_s - last_s < _ECHO_S:
                    continue
                first, last, last_s = not last, byte, now_s
                if stopped.is_set():
                    os._exit(128 + byte[0])
                if first and linger_s:
                    until_s = now_s + linger_s
                    continue
            until_s = math.inf
            stopped.set()
            then()

    before = {number: signal.signal(number, lambda *_: None) for number in STOP_SIGNALS}
    before_fd = signal.set_wakeup_fd(write_fd)
    watcher = threading.Thread(target=watch, name="signals", daemon=True)
    watcher.start()
    try:
        yield stopped.is_set
    finally:
        signal.set_wakeup_fd(before_fd)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if stopped.is_set() and number == signal.SIGINT else handler)
        os.write(write_fd, b"\0")
        watcher.join()
        os.close(read_fd)
        os.close(write_fd)


def real_time(priority: int = GATE_PRIORITY) -> str:
    """Ask for real-time scheduling and locked memory, for this thread and those it starts later; says what was granted.

    Call it before the bus is opened, so that the middleware's receive thread is not left behind.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # sleeps end on time without SCHED_FIFO too
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        granted = f"SCHED_FIFO priority {priority}"
    except PermissionError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, _FALLBACK_NICE)
            granted = f"nice {_FALLBACK_NICE}, SCHED_FIFO not permitted"
        except PermissionError:
            granted = "ordinary scheduling, SCHED_FIFO not permitted"
    unlimited = os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    if unlimited and libc.mlockall(_LOCK_TOUCHED) == 0:  # under a limit, a later allocation would fail instead
        return f"{granted}, memory locked"
    return f"{granted}, memory not locked"


class StageTimes:
    """A node that also says, after each piece of work, how long its stages took (topic `stage_times`).

    Once a second it tells in `diagnostics` what the bus says is wrong with its peers; see `DdsBus.problems`.
    """

    def __init__(self, node: Node, now_ns: Callable[[], int], problems: Callable[[], Sequence[str]] = list) -> None:
        self._node = node
        self._now_ns = now_ns
        self._problems, self._wrong, self._looked_ns = problems, "", 0
        self.name, self.reads, self.stages = node.name, node.reads, node.stages
        self.stages.live = True
        codec().prepare(topic(name).type for name in {*node.reads, *node.writes, "stage_times"})
        self.writes = node.writes | {"stage_times"}

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return self._node.next_ns(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterator[Out]:
        """See `Node.on_sample`."""
        yield from self._timed(self._node.on_sample(sample, now_ns))
        yield from self._look(now_ns)

    def on_tick(self, now_ns: int) -> Iterator[Out]:
        """See `Node.on_tick`."""
        yield from self._timed(self._node.on_tick(now_ns))
        yield from self._look(now_ns)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        return self._node.close()

    def _look(self, now_ns: int) -> Iterator[Out]:
        if 0 <= now_ns - self._looked_ns < SEC or "diagnostics" not in self.writes:
            return
        before, self._looked_ns, self._wrong = self._wrong, now_ns, "; ".join(self._problems())
        if self._wrong or before:
            level = Level.ERROR if self._wrong else Level.OK
            text = self._wrong or "all peers are heard"
            yield Out("diagnostics", encode_diagnostics(now_ns, f"{self.name}/peers", level, text))
        if self._wrong != before:
            logging.getLogger(self.name).warning("%s", self._wrong or "all peers are heard")

    def _timed(self, outs: Iterable[Out]) -> Iterator[Out]:
        stamp_ns = None
        for out in outs:
            stamp_ns = stamp_ns or _stamp_ns(out)  # a joint_trajectory has a header, but no stamp
            yield out
        spans, self.stages.frame = self.stages.frame, []
        if spans and stamp_ns is not None:
            epoch_ns = self._now_ns() - perf_ns()
            names, begins, ends = zip(*spans, strict=True)
            yield Out("stage_times", codec().encode(codec().new(
                "saccade_msgs/msg/StageTimes", header=header(stamp_ns, ""), node=self.name, stages=list(names),
                begin_ns=epoch_ns + np.array(begins), end_ns=epoch_ns + np.array(ends),
            )))  # fmt: skip


def _stamp_ns(out: Out) -> int | None:
    """The header stamp of an encoded message, None for a type without one."""
    return header_stamp_ns(out.cdr) if starts_with_header(topic(out.topic).type) else None
