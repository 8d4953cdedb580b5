"""Work in slices: all of it once, on several threads, and nothing left running when it goes wrong."""

import threading

import numpy as np
import pytest

from saccade.slices import Slices


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("n", "least"), [(0, 1), (1, 1), (7, 3), (100, 8), (1000, 1)])
def test_each_is_worked_on_once_in_slices_that_are_not_too_small(threads, n, least):
    times, sizes = np.zeros(n, int), []

    def work(begin, end):
        times[begin:end] += 1
        sizes.append(end - begin)

    Slices(threads).run(work, n, least)
    assert (times == 1).all()
    assert len(sizes) == 1 or min(sizes) >= least


def test_two_threads_work_at_once():
    met = threading.Barrier(2, timeout=20)
    first = threading.local()

    def work(begin, end):
        if not hasattr(first, "seen"):
            first.seen = True
            met.wait()

    Slices(2).run(work, 100)


def test_what_goes_wrong_in_a_thread_is_raised_when_all_have_stopped():
    working, met = [], threading.Barrier(2, timeout=20)
    caller = threading.get_ident()

    def work(begin, end):
        working.append(1)
        met.wait()
        working.pop()
        if threading.get_ident() != caller:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Slices(2).run(work, 2)
    assert not working
