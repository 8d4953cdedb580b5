"""Scenes of the simulator that are painted and lit once in a test process, which takes a second each time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import sim.soft
from sim.bake import bake
from sim.scene import Scene

_PAINTED: dict[Any, Any] = {}


@contextmanager
def painted_once() -> Iterator[None]:
    """A scene that was opened before is not painted again; that it would come out the same is tested elsewhere."""

    def once(scene: Scene) -> Any:
        key = scene.seed, scene.size_m, scene.things, type(scene.decor), scene.movers
        if key not in _PAINTED:
            _PAINTED[key] = bake(scene)
            _PAINTED[key].picture.flags.writeable = False
        return _PAINTED[key]

    with patch.object(sim.soft, "bake", once):
        yield
