"""Caches of engines, and which compiler is meant."""

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "engines"))  # the small graphs; children get this path too

from compiled_cards import card_at
from own_compiler import BUILDS, GO

from engines.card import load_card
from engines.store import build, process, worker
from engines.store.build import ensure, job
from engines.store.compilers import COMPILERS


@pytest.fixture(autouse=True)
def compilers(monkeypatch):
    monkeypatch.setitem(COMPILERS, "openvino", "own_compiler:Own")


@pytest.fixture
def no_child(monkeypatch):
    """What a child does is done here, for tests of what comes of its answer: one that imports all anew takes long."""

    def here(request, progress, stop, limit_s):
        answer = worker.answered(json.loads(json.dumps(request)), progress)
        return process._told(json.loads(json.dumps(answer)))

    monkeypatch.setattr(build, "in_child", here)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """A card and a cache with its verified engine, for tests to copy."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COMPILERS, "openvino", "own_compiler:Own")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        told = []
        manifest = ensure(job(card_at(folder / "card"), progress=lambda what, share: told.append(what)))
    return folder, manifest, told


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(BUILDS, str(tmp_path / "builds"))
    return tmp_path / "cache" / "saccade" / "engines"


@pytest.fixture
def verified(built, tmp_path, cache):
    """The card of `built`, and this test's own copy of its engine's folder."""
    shutil.copytree(built[0] / "cache", tmp_path / "cache")
    return load_card(built[0] / "card" / "stand-in.yaml"), next(cache.glob("stand-in-*"))


@pytest.fixture
def waiting(tmp_path, cache, monkeypatch):
    """A card whose build waits until a file is there; that file."""
    monkeypatch.setenv(GO, str(tmp_path / "go"))
    return card_at(tmp_path), tmp_path / "go"
