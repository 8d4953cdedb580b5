"""The same scene through MuJoCo's OpenGL renderer, on EGL (a GPU or Mesa) or OSMesa: an independent second opinion.

It draws the baked charts without lights of its own, so that its pictures can be compared with the soft renderer's.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

import cv2
import mujoco
import numpy as np

from saccade.errors import ConfigError
from saccade.geometry import F32, SE3, Pinhole
from saccade.types import U8
from sim.bake import Atlas, bake
from sim.scene import Place, Scene
from sim.shapes import Box, Room, Solid

_BACKENDS = ("egl", "osmesa")
_NEAR_M, _FAR_M = 0.02, 30.0
_MIRRORED = (0, 3, 4)
"""Faces whose chart runs against the x axis of their plane."""
_FLIP = np.diag([1.0, -1.0, -1.0])
"""OpenGL's camera looks along -z with y up."""


class GlRenderer:
    """See `sim.render.Renderer`; needs cx, cy in the middle of the picture and fx = fy."""

    def __init__(self, scene: Scene, camera: Pinhole) -> None:
        self._gl = _context(camera.width, camera.height)
        self._model = _model(bake(scene), scene, camera)
        self._movers = [(thing.x, thing.y, thing.yaw) for thing in scene.things[len(scene.things) - scene.movers :]]
        self._data = mujoco.MjData(self._model)
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZERONEAR
        self._scene = mujoco.MjvScene(self._model, maxgeom=100)
        self._view = mujoco.MjvCamera()
        self._view.type, self._view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        self._rect = mujoco.MjrRect(0, 0, camera.width, camera.height)

    def render(self, T_world_from_cam: SE3, moved: Sequence[Place] = ()) -> tuple[U8, F32]:
        """See `Renderer.render`."""
        for i, (place, (x0, y0, yaw0)) in enumerate(zip(moved, self._movers, strict=False), start=1):
            turned = SE3.from_rpy(0.0, 0.0, place.yaw - yaw0)
            x, y, z, w = turned.quaternion()
            self._data.mocap_quat[i] = (w, x, y, z)
            self._data.mocap_pos[i] = np.array((place.x, place.y, 0.0)) - turned.R @ (x0, y0, 0.0)
        x, y, z, w = SE3(T_world_from_cam.R @ _FLIP, T_world_from_cam.t).quaternion()
        self._data.mocap_pos[0], self._data.mocap_quat[0] = T_world_from_cam.t, (w, x, y, z)
        mujoco.mj_forward(self._model, self._data)
        self._gl.make_current()
        option, every = mujoco.MjvOption(), mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, self._data, option, None, self._view, every, self._scene)
        mujoco.mjr_render(self._rect, self._scene, self._context)
        rgb = np.empty((self._rect.height, self._rect.width, 3), np.uint8)
        depth = np.empty((self._rect.height, self._rect.width), np.float32)
        mujoco.mjr_readPixels(rgb, depth, self._rect, self._context)
        metres = _NEAR_M / (1 - np.flipud(depth).astype(np.float64) * (1 - _NEAR_M / _FAR_M))
        return np.flipud(rgb).copy(), metres.astype(np.float32)

    def close(self) -> None:
        """Free the OpenGL context."""
        self._context.free()
        self._gl.free()


def _context(width: int, height: int) -> Any:
    """A current OpenGL context from the first backend that works; ConfigError says what to install.

    MuJoCo's C library asks the environment which backend it is, so it is told there.
    """
    reasons = []
    for backend in _BACKENDS:
        os.environ["MUJOCO_GL"] = backend
        try:
            context = importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
            context.make_current()
        except Exception as error:  # whatever the driver stack of this machine leads to
            reasons.append(f"{backend}: {type(error).__name__}: {error}")
            _forget_backend()
        else:
            return context
    raise ConfigError(
        f"renderer=mujoco needs OpenGL without a display ({'; '.join(reasons)}). "
        "Install one of: apt install libegl1 libgl1-mesa-dri, or apt install libosmesa6; or take renderer=soft"
    )


def _forget_backend() -> None:
    """Let the next backend choose: PyOpenGL binds to one platform at its first import, by a variable MuJoCo sets."""
    for variable in ("MUJOCO_GL", "PYOPENGL_PLATFORM"):
        os.environ.pop(variable, None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "OpenGL"]:
        del sys.modules[name]


def _model(atlas: Atlas, scene: Scene, camera: Pinhole) -> mujoco.MjModel:
    """Planes for the room and a mesh a thing, each with its chart as a texture that shines by itself.

    Mocap bodies: the camera, then the movers, whose meshes are in world coordinates of where they began.
    """
    count = range(Room.FACES + len(atlas.solids))
    pictures = {f"{i}.png": _png(atlas.chart(i), i in _MIRRORED, i < Room.FACES) for i in count}
    textures = "".join(f'<texture name="{i}" type="2d" file="{i}.png"/>' for i in count)
    materials = "".join(f'<material name="{i}" texture="{i}" emission="1" specular="0"/>' for i in count)
    meshes = "".join(_mesh(Room.FACES + i, solid) for i, solid in enumerate(atlas.solids))
    geoms = [f'<geom type="mesh" mesh="{i}" material="{i}"/>' for i in count[Room.FACES :]]
    fixed = len(geoms) - scene.movers
    movers = "".join(f'<body mocap="true">{geom}</body>' for geom in geoms[fixed:])
    fovy = math.degrees(2 * math.atan(camera.height / 2 / camera.fy))
    xml = f"""<mujoco><statistic extent="1"/>
      <visual><global offwidth="{camera.width}" offheight="{camera.height}"/><quality offsamples="0"/>
        <map znear="{_NEAR_M}" zfar="{_FAR_M}"/><headlight active="0"/></visual>
      <asset>{textures}{materials}{meshes}</asset>
      <worldbody>{_planes(scene.size_m)}{"".join(geoms[:fixed])}
        <body mocap="true"><camera fovy="{fovy!r}"/></body>{movers}</worldbody></mujoco>"""
    return mujoco.MjModel.from_xml_string(xml, assets=pictures)


def _planes(size_m: tuple[float, float, float]) -> str:
    """East, west, north, south, ceiling, floor; z points into the room, so x runs against some charts."""
    x, y, z = (size / 2 for size in size_m)
    faces = (
        ((x, 0, z), "0 -1 0 0 0 1", (y, z)), ((-x, 0, z), "0 1 0 0 0 1", (y, z)),
        ((0, y, z), "1 0 0 0 0 1", (x, z)), ((0, -y, z), "-1 0 0 0 0 1", (x, z)),
        ((0, 0, 2 * z), "-1 0 0 0 1 0", (x, y)), ((0, 0, 0), "1 0 0 0 1 0", (x, y)),
    )  # fmt: skip
    return "".join(
        f'<geom type="plane" pos="{_text(pos)}" xyaxes="{axes}" size="{_text((*size, 1))}" material="{i}"/>'
        for i, (pos, axes, size) in enumerate(faces)
    )


def _mesh(number: int, solid: Solid) -> str:
    width, height = solid.chart_m
    if isinstance(solid, Box):
        across = np.array([*solid.faces()[1], width], np.float32)
    else:
        across = np.linspace(0, width, 65, dtype=np.float32)
    up = np.linspace(0, height, 49, dtype=np.float32)
    if solid.thing.kind in ("box", "cylinder"):
        top = solid.thing.height_m
        up = np.array([0, top, np.nextafter(np.float32(top), np.float32(9)), height], np.float32)
    s, v = np.meshgrid(across[:-1], up)
    # A face ends where the next begins: take its far edge from just inside it.
    s_end = np.meshgrid(np.nextafter(across[1:], np.float32(0)), up)[0]
    points = np.stack([solid.surface(s, v)[0], solid.surface(s_end, v)[0]], axis=2)
    uv = np.stack([np.stack([s, s_end], -1) / width, np.stack([v, v], -1) / height], axis=-1)
    rows, cols = s.shape
    vertex = np.arange(rows * cols * 2).reshape(rows, cols, 2)
    a, b, c, d = vertex[:-1, :, 0], vertex[:-1, :, 1], vertex[1:, :, 1], vertex[1:, :, 0]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return (
        f'<mesh name="{number}" inertia="shell" vertex="{_text(points)}" texcoord="{_text(uv)}" face="{_text(faces)}"/>'
    )


def _text(values: Any) -> str:
    return " ".join(f"{v:.9g}" for v in np.asarray(values).reshape(-1).tolist())


def _png(rgb: U8, mirrored: bool, upside_down: bool) -> bytes:
    bgr = rgb[:: -1 if upside_down else 1, :: -1 if mirrored else 1, ::-1]
    return bytes(cv2.imencode(".png", bgr)[1])
