"""When a learned reconstruction runs, what it waits for, and how it ends."""

import os
import sys
import threading
import time

import numpy as np
import pytest
from learned_scenes import (
    CENTRE,
    VOLUME,
    answer,
    card_at,
    keyframes,
    learned_map,
)

from engines.engine import EngineError
from map_node.learned.model import Job, Learned, Model
from map_node.learned.params import LearnedParams
from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.geometry import SE3


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return card_at(tmp_path_factory.mktemp("card"))


def test_a_live_run_is_in_a_thread_that_stands_back(card):
    before = threading.enumerate()
    made = learned_map(card, takes_s=None)
    (worker,) = [thread for thread in threading.enumerate() if thread not in before]
    assert worker.name == "learned"
    assert made.offer(keyframes(), CENTRE, 0)
    found = None
    until = time.monotonic() + 60
    while found is None and time.monotonic() < until:
        found = made.poll(0)
        time.sleep(0.005)
    nice = os.getpriority(os.PRIO_PROCESS, worker.native_id) if sys.platform == "linux" else 10
    made.close()
    assert nice >= 10
    assert found is not None
    assert found.refused == ""


def test_the_process_does_not_end_while_the_engine_works(card, monkeypatch):
    """A daemon inside of ONNX Runtime when the interpreter ends would abort it."""
    began, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def run(self, job):
        began.set()
        go_on.wait(30)
        return Learned(0, 0, "stopped")

    monkeypatch.setattr(Model, "run", run)
    monkeypatch.setattr(Model, "close", lambda self: closed.set())
    made = learned_map(card, takes_s=None)
    made.offer(keyframes(), CENTRE, 0)
    assert began.wait(30)
    made.close()
    (waits,) = [thread for thread in threading.enumerate() if thread.name == "learned ends"]
    assert not waits.daemon
    assert not closed.is_set()
    go_on.set()
    assert closed.wait(30)


def test_an_answer_that_comes_too_late_is_not_used(card):
    made = learned_map(card, takes_s=6.0, budget_s=4.0)
    assert made.offer(keyframes(), CENTRE, SEC)
    assert made.poll(5 * SEC) is None
    assert "no answer within 4 s" in made.poll(5 * SEC + 1).refused
    assert made.poll(20 * SEC) is None
    assert made.newest is None
    assert made.offer(keyframes(), CENTRE, 21 * SEC), "the same keyframes may be tried again"


def test_it_runs_now_and_then_and_only_on_something_new(card):
    made = learned_map(card, every_s=5.0)
    views = keyframes()
    assert not made.offer(views[:2], CENTRE, SEC)
    assert "2 keyframes; the model needs 3" in made.told()["last run"]
    assert made.offer(views, CENTRE, 2 * SEC)
    assert not made.offer(views, CENTRE, 2 * SEC + 500 * MS)
    assert made.poll(3 * SEC)
    later = [*views[1:], views[0]._replace(stamp_ns=views[-1].stamp_ns + SEC)]
    assert not made.offer(later, CENTRE, 6 * SEC)
    assert not made.offer(views, CENTRE, 8 * SEC)
    assert made.offer(later, CENTRE, 8 * SEC)
    assert made.counts["runs"] == 2


def test_the_nearest_to_the_newest_are_chosen(card):
    made = learned_map(card)
    views = keyframes()
    far = views[0]._replace(stamp_ns=0, T_odom_from_cam=SE3(views[0].T_odom_from_cam.R, np.array([9.0, 0, 0])))
    found = answer(made, [far, *views])
    assert found.refused == ""
    assert found.views == 3


def test_a_run_that_nobody_waits_for_adds_nothing(card):
    model = Model(LearnedParams(card=card), VOLUME)
    for wanted, refused in ((False, "nobody waits"), (True, "")):
        found = model.run(Job(tuple(keyframes()), CENTRE, 0, lambda wanted=wanted: wanted))
        assert refused in found.refused
        assert (found.blocks is None) == bool(refused)
    model.close()


def test_cards_that_cannot_be_used_are_refused_at_once(tmp_path, card):
    with pytest.raises(ConfigError, match="no card"):
        learned_map("vgt")
    with pytest.raises(EngineError, match="expected a model of several views"):
        learned_map("sgbm")
    path = card_at(tmp_path)
    (tmp_path / "knows.verdict.json").unlink()
    with pytest.raises(EngineError, match="never probed"):
        learned_map(path)


def test_after_a_jump_what_was_learned_is_gone(card):
    made = learned_map(card)
    answer(made)
    made.forget()
    assert made.blocks is None
    away = SE3.from_rpy(0, 0, 0, (1.0, 0.0, 0.0))
    moved = [v._replace(stamp_ns=v.stamp_ns + SEC, T_odom_from_cam=away @ v.T_odom_from_cam) for v in keyframes()]
    found = answer(made, moved, 20 * SEC)
    fresh = answer(learned_map(card), moved, 20 * SEC)
    assert found.blocks.at.tolist() == fresh.blocks.at.tolist()
