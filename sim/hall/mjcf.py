"""The hall as an MJCF model: the floor and walls, the furniture, and a wheeled base that motors drive."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from sim.cameras import Rig
from sim.hall.layout import HALL_M, Layout

STEP_S = 0.002
WHEEL_RADIUS_M = 0.08
TRACK_M = 0.40
BASELINE_M = 0.12
RIG = Rig(
    Pinhole(200.0, 200.0, 159.5, 119.5, 320, 240),
    BASELINE_M,
    {
        "left_optical": SE3(R_BODY_FROM_OPTICAL, np.array([0.10, BASELINE_M / 2, 0.35])),
        "right_optical": SE3(R_BODY_FROM_OPTICAL, np.array([0.10, -BASELINE_M / 2, 0.35])),
        "imu_link": SE3(np.eye(3), np.array([0.0, 0.0, 0.10])),
    },
)
"""What the robot has on board."""
WALLS = ("wall east", "wall west", "wall north", "wall south")

_ROBOT = f"""
    <body name="base" pos="{{x}} {{y}} 0" euler="0 0 {{yaw}}">
      <freejoint/>
      <inertial pos="-0.04 0 0.10" mass="20" diaginertia="0.42 0.42 0.62"/>
      <site name="imu" pos="0 0 0.10"/>
      <geom name="hull" type="cylinder" pos="0 0 0.175" size="0.25 0.115" friction="0.2"/>
      <geom name="mast" type="box" pos="0.08 0 0.34" size="0.015 0.09 0.05" friction="0.2"/>
      <geom name="rear caster" type="sphere" pos="-0.17 0 0.03" size="0.03" condim="1" priority="1"/>
      <geom name="front caster" type="sphere" pos="0.17 0 0.033" size="0.03" condim="1" priority="1"/>
      <body name="left wheel" pos="0 {TRACK_M / 2} {WHEEL_RADIUS_M}"><joint name="left wheel" class="wheel"/>
        <geom name="left wheel" class="wheel"/></body>
      <body name="right wheel" pos="0 {-TRACK_M / 2} {WHEEL_RADIUS_M}"><joint name="right wheel" class="wheel"/>
        <geom name="right wheel" class="wheel"/></body>
    </body>"""

_HEAD = f"""<mujoco model="hall">
  <compiler angle="radian"/>
  <option timestep="{STEP_S}" integrator="implicitfast"/>
  <default>
    <geom friction="0.3"/>
    <!-- An ellipsoid meets the floor in one point, so that the track is known; a cylinder's edge would not. -->
    <default class="wheel">
      <joint type="hinge" axis="0 1 0" damping="0.01" armature="0.005"/>
      <geom type="ellipsoid" size="{WHEEL_RADIUS_M} {WHEEL_RADIUS_M} 0.02" euler="{math.pi / 2} 0 0" mass="0.6"
        friction="0.9 0.005 0.0001"/>
      <velocity kv="2" forcerange="-1.6 1.6"/>
    </default>
  </default>
"""

_TAIL = """
  <actuator>
    <velocity name="left wheel" joint="left wheel" class="wheel"/>
    <velocity name="right wheel" joint="right wheel" class="wheel"/>
  </actuator>
  <sensor><gyro site="imu"/><accelerometer site="imu"/></sensor>
</mujoco>
"""


def mjcf(layout: Layout) -> str:
    """MJCF text; geoms of obstacles are named after their thing or wall."""
    x, y, _ = layout.start.t
    robot = _ROBOT.format(x=x, y=y, yaw=layout.start.yaw)
    floor = '<geom name="floor" type="plane" size="1 1 1"/>'
    things = "".join(thing.mjcf() for thing in layout.things)
    return f"{_HEAD}<worldbody>{floor}{_walls()}{things}{robot}</worldbody>{_TAIL}"


def _walls() -> str:
    """Planes that face inwards: half-spaces, which nothing can tunnel through."""
    x, y, z = (size / 2 for size in HALL_M)
    return "".join(
        f'\n<geom name="{name}" type="plane" pos="{px} {py} {z}" zaxis="{-px} {-py} 0" size="1 1 1"/>'
        for name, px, py in zip(WALLS, (x, -x, 0, 0), (0, 0, y, -y), strict=True)
    )
