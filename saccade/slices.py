"""Work that compiled kernels do in slices, on a few cores at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

_PER_THREAD = 3
"""Slices are so many more than threads, so that one that is held up leaves its next ones to the others."""


class Slices:
    """Threads that wait for work asleep and not in a loop; the caller is one of them.

    Kernels release the interpreter's lock. Which thread does which slice is not determined: slices must not write to
    the same places, and then the result is the same whatever the number of threads. One thread makes no others.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1, "slices") if threads > 1 else None

    def run(self, work: Callable[[int, int], object], n: int, least: int = 1) -> None:
        """Call `work(begin, end)` for slices of 0 to n, each of `least` or more; waits for all, raises their errors."""
        many = min(self._threads * _PER_THREAD, max(n, 0) // least)
        if self._pool is None or many < 2:
            work(0, n)
            return
        ends = [n * i // many for i in range(many + 1)]
        left = deque(pairwise(ends))

        def drain() -> None:
            while left:
                try:
                    slice_ = left.popleft()
                except IndexError:  # another thread took the last
                    return
                work(*slice_)

        helpers = [self._pool.submit(drain) for _ in range(self._threads - 1)]
        try:
            drain()
        finally:  # nothing may still be written when the caller goes on; who has not begun need not
            errors = [helper.exception() for helper in helpers if not helper.cancel()]
        for error in filter(None, errors):
            raise error
