"""A picture of a world, for documents: `python -m sim.show 'hall?seed=7' hall.png`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from saccade.errors import ConfigError
from saccade.geometry import F64, SE3, Pinhole
from saccade.types import U8
from sim.bus import open_world
from sim.scene import Scene
from sim.soft import SoftRenderer
from sim.things import Thing
from sim.world import World

_SIZE = (1280, 720)
_FOCAL_PX = 620.0


def look(eye_m: F64, at_m: F64) -> SE3:
    """`T_world_from_optical` of a camera at `eye_m` (3,) that looks at `at_m` (3,), its picture upright."""
    forward = (at_m - eye_m) / np.linalg.norm(at_m - eye_m)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    return SE3(np.stack([right, np.cross(forward, right), forward], axis=1), eye_m)


@runtime_checkable
class Shown(Protocol):
    """A simulation without a scene that shows itself."""

    def show(self, camera: Pinhole) -> U8:
        """What such a camera would see, (H, W, 3) uint8 RGB; where it stands is the simulation's choice."""


def picture(world: World) -> U8:
    """A world and its robot, (720, 1280, 3) uint8 RGB, four rays a pixel: a room from a corner, others as they say."""
    width, height = (2 * n for n in _SIZE)
    camera = Pinhole(2 * _FOCAL_PX, 2 * _FOCAL_PX, (width - 1) / 2, (height - 1) / 2, width, height)
    if world.simulation.scene is not None:
        rgb = _from_a_corner(world.simulation.scene, world.truth(), camera)
    elif isinstance(world.simulation, Shown):
        rgb = world.simulation.show(camera)
    else:
        raise ConfigError("this world is no room that could be shown from a corner, and does not show itself")
    return np.asarray(cv2.resize(rgb, _SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def _from_a_corner(scene: Scene, pose: SE3, camera: Pinhole) -> U8:
    robot = Thing("robot", "cylinder", (0.25, 0.30), (206, 206, 210), float(pose.t[0]), float(pose.t[1]), pose.yaw)
    fixed = len(scene.things) - scene.movers
    renderer = SoftRenderer(replace(scene, things=(*scene.things[:fixed], robot, *scene.things[fixed:])), camera)
    length, width_m, height_m = scene.size_m
    eye_m = np.array([-length / 2 + 0.25, -width_m / 2 + 0.25, height_m - 0.7])
    return renderer.render(look(eye_m, np.array([0.6, 0.3, 0.35])))[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the picture; exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m sim.show", description=__doc__)
    parser.add_argument("world", help="as after sim:, for example hall?seed=7")
    parser.add_argument("png", help="file to write")
    args = parser.parse_args(argv)
    cv2.imwrite(args.png, picture(open_world(args.world))[..., ::-1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
