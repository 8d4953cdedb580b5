"""What goes wrong around an engine puts none in quarantine: it may be tried again."""

import errno
import os

import numpy as np
import pytest
import yaml
from compiled_cards import card_at
from own_compiler import use

from engines.added import add
from engines.card import load_card
from engines.device.common import failed
from engines.engine import Circumstance, EngineError
from engines.open import open_engine
from engines.store import worker
from engines.store.advice import Quarantined
from engines.store.build import ensure, job, verify
from engines.store.manifest import entries
from saccade.params import plain

pytestmark = pytest.mark.usefixtures("cache", "no_child")
FULL = ("NoMemory", "NoMemoryLoading", "NoMemoryRunning")


def refused(what, work):
    """The error, which is no quarantine, and leaves none."""
    with pytest.raises(EngineError, match=what) as told:
        ensure(work)
    assert not isinstance(told.value, Quarantined)
    assert "quarantined" not in [entry.manifest.status for entry in entries() if entry.manifest]


@pytest.mark.parametrize("compiler", FULL)
def test_where_memory_is_full_a_build_may_be_tried_again(tmp_path, compiler):
    card = card_at(tmp_path / "card")
    use(compiler)
    refused("out of memory.*close other programs", job(card))
    use("Own")
    assert ensure(job(card)).status == "verified"
    open_engine(card).close()


@pytest.mark.parametrize("compiler", FULL[1:])
def test_a_verified_engine_that_finds_no_memory_stays_verified(verified, compiler):
    card, _ = verified
    use(compiler)
    with pytest.raises(EngineError, match="out of memory"):
        verify(job(card))
    use("Own")
    open_engine(card).close()


def golden(tmp_path, outputs):
    """A card with a golden pair, of which the CPU gives what it gives."""
    card = card_at(tmp_path / "card", golden={"inputs": "in.npz", "outputs": "out.npz"})
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 1, 3, 96, 160)).astype(np.float32)
    np.savez(card.beside("in.npz"), **{card.left: pictures[0], card.right: pictures[1]})
    np.savez(card.beside("out.npz"), **{card.output.name: outputs})
    return card


def test_a_reference_that_is_off_says_nothing_of_the_engine(tmp_path):
    card = golden(tmp_path, np.zeros((1, 1, 96, 160), np.float32))
    refused("even the CPU does not give the golden output", job(card))


def test_a_golden_pair_that_is_missing_is_named(tmp_path):
    card = golden(tmp_path, np.zeros((1, 1, 96, 160), np.float32))
    card.beside("out.npz").unlink()
    refused(f"{card.beside('out.npz')} is missing; put it back, or take `golden:` out of {card.path}", job(card))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(50)), "cannot read .*out.npz"),
        (lambda path: np.savez(path, disparity=np.array(["far"])), "out.npz holds 'disparity', which is no array of"),
        (lambda path: np.savez(path, disp=np.zeros(3)), "its reference has disp"),
        (lambda path: np.savez(path, disparity=np.zeros((1, 2))), r"its reference \(1, 2\)"),
    ],
    ids=["cut short", "words", "another name", "another shape"],
)
def test_a_golden_pair_that_is_none_says_nothing_of_the_engine(tmp_path, fault, words):
    card = golden(tmp_path, np.zeros((1, 1, 96, 160), np.float32))
    fault(card.beside("out.npz"))
    refused(f"even the CPU cannot be held to the golden pair: .*{words}", job(card))


def test_the_golden_pair_of_a_card_that_was_copied_does_not_come_along(tmp_path):
    card = golden(tmp_path, np.zeros((1, 1, 96, 160), np.float32))
    added = add(card.path, [card.beside(card.onnx)], "mine", tmp_path / "mine")
    assert added.golden is None
    assert "golden" not in yaml.safe_load((tmp_path / "mine" / "mine.yaml").read_text())
    assert load_card(card.path).golden is not None


def test_timings_that_cannot_be_read_or_kept_cost_no_engine(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker.shutil, "copyfile", full)
    monkeypatch.setattr(worker.os, "replace", lambda one, other: full() if str(other).endswith(".cache") else None)
    card = card_at(tmp_path / "card")
    answer = worker._build(
        {
            "card": plain(card), "compiler": "own_compiler:Own", "folder": str(tmp_path), "calibration": [],
            "timing": str(tmp_path / "timings.cache"),
        },
        lambda what, share: None,
    )  # fmt: skip
    assert len(answer["parts"]) == 1


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def without(fd, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("engines.store.lock.fcntl.flock", without)
    refused("cannot lock .*: No locks available; set XDG_CACHE_HOME", job(card_at(tmp_path / "card")))


def test_only_want_of_memory_is_a_circumstance_of_the_device():
    assert isinstance(failed("cuMemAlloc", "out of memory"), Circumstance)
    assert not isinstance(failed("cuLaunchKernel", "invalid device context"), Circumstance)
