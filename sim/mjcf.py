"""The hall as an MJCF model: the floor and walls, the furniture, and a wheeled base that motors drive."""

from __future__ import annotations

import math

from sim.layout import HALL_M, Layout, Thing

STEP_S = 0.002
WHEEL_RADIUS_M = 0.08
TRACK_M = 0.40
WALLS = ("wall east", "wall west", "wall north", "wall south")

_ROBOT = f"""
    <body name="base" pos="{{x}} {{y}} 0" euler="0 0 {{yaw}}">
      <freejoint/>
      <inertial pos="-0.04 0 0.10" mass="20" diaginertia="0.42 0.42 0.62"/>
      <site name="imu" pos="0 0 0.10"/>
      <geom name="hull" type="cylinder" pos="0 0 0.175" size="0.25 0.115" friction="0.2" material="hull"/>
      <geom name="mast" type="box" pos="0.08 0 0.34" size="0.015 0.09 0.05" friction="0.2" material="dark"/>
      <geom name="rear caster" type="sphere" pos="-0.17 0 0.03" size="0.03" condim="1" priority="1" material="dark"/>
      <geom name="front caster" type="sphere" pos="0.17 0 0.033" size="0.03" condim="1" priority="1" material="dark"/>
      <body name="left wheel" pos="0 {TRACK_M / 2} {WHEEL_RADIUS_M}"><joint name="left wheel" class="wheel"/>
        <geom name="left wheel" class="wheel"/></body>
      <body name="right wheel" pos="0 {-TRACK_M / 2} {WHEEL_RADIUS_M}"><joint name="right wheel" class="wheel"/>
        <geom name="right wheel" class="wheel"/></body>
    </body>"""

_HEAD = f"""<mujoco model="hall">
  <compiler angle="radian"/>
  <option timestep="{STEP_S}" integrator="implicitfast"/>
  <default>
    <!-- An ellipsoid meets the floor in one point, so that the track is known; a cylinder's edge would not. -->
    <default class="wheel">
      <joint type="hinge" axis="0 1 0" damping="0.01" armature="0.005"/>
      <geom type="ellipsoid" size="{WHEEL_RADIUS_M} {WHEEL_RADIUS_M} 0.02" euler="{math.pi / 2} 0 0" mass="0.6"
        friction="0.9 0.005 0.0001" material="dark"/>
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


def mjcf(layout: Layout, assets: str = "", extra: str = "") -> str:
    """MJCF text: `assets` defines materials by the names of floor, walls, things, "hull" and "dark".

    Without `assets` the model is plain, which is all that physics needs. `extra` goes into the world body: lights and
    cameras. Geoms of obstacles are named after their thing or wall.
    """
    x, y, _ = layout.start.t
    room = [_floor(), *_walls(), *(_thing(thing) for thing in layout.things)]
    robot = _ROBOT.format(x=x, y=y, yaw=layout.start.yaw)
    text = f"{_HEAD}{assets}\n  <worldbody>{extra}\n    {''.join(room)}{robot}\n  </worldbody>{_TAIL}"
    return text if assets else _without_materials(text)


def _without_materials(text: str) -> str:
    parts = text.split(' material="')
    return parts[0] + "".join(part.partition('"')[2] for part in parts[1:])


def _geom(name: str, kind: str, pos: tuple[float, ...], size: tuple[float, ...], yaw: float = 0.0) -> str:
    def numbers(values: tuple[float, ...]) -> str:
        return " ".join(f"{v:.9g}" for v in values)

    return (
        f'<geom name="{name}" type="{kind}" pos="{numbers(pos)}" size="{numbers(size)}" euler="0 0 {yaw:.9g}" '
        f'friction="0.3" material="{name}"/>\n    '
    )


def _floor() -> str:
    return _geom("floor", "plane", (0, 0, 0), (HALL_M[0] / 2, HALL_M[1] / 2, 1.0))


def _walls() -> list[str]:
    """Walls as slabs 0.2 m thick whose inner faces bound the hall; plain names so that collisions can be told."""
    (length, width, height), t = HALL_M, 0.1
    x, y, z = length / 2 + t, width / 2 + t, height / 2
    places = ((x, 0.0, z), (-x, 0.0, z), (0.0, y, z), (0.0, -y, z))
    sizes = ((t, width / 2, z), (t, width / 2, z), (length / 2, t, z), (length / 2, t, z))
    return [_geom(name, "box", pos, size) for name, pos, size in zip(WALLS, places, sizes, strict=True)]


def _thing(thing: Thing) -> str:
    half = thing.height_m / 2
    if thing.kind == "box":
        size: tuple[float, ...] = (thing.size[0] / 2, thing.size[1] / 2, half)
    elif thing.kind == "sphere":
        size = thing.size
    else:
        radius = thing.size[0]
        size = (radius, half - radius if thing.kind == "capsule" else half)
    return _geom(thing.name, thing.kind, (thing.x, thing.y, half), size, thing.yaw)
