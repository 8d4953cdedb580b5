"""An arm's kinematics from the file that its parameters name, MJCF or URDF, through MuJoCo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mujoco

from saccade.errors import ConfigError, choices
from saccade.paths import share
from vla_node.embodiments.arm import ArmParams


def model_file(name: str) -> Path:
    """The file of a model by path, or by name in config/arms; ConfigError where there is neither."""
    shipped = share("config") / "arms"
    for path in (Path(name), shipped / name):
        if path.is_file():
            return path
    known = [path.name for path in shipped.iterdir()]
    raise ConfigError(f"no arm model {name!r}; expected a path of an MJCF or URDF file, or {choices(name, known)}")


def load_model(params: ArmParams) -> Any:
    """The MuJoCo model; ConfigError when it cannot be read or lacks a joint or the tool.

    Meshes are left out: kinematics need none, and a URDF often names them where they are not.
    """
    path = model_file(params.model)
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        if path.suffix == ".urdf":
            _bare(spec)
        model = spec.compile()
    except (ValueError, mujoco.FatalError) as error:
        raise ConfigError(f"{path} is no model that MuJoCo can load: {error}") from error
    joints = [model.joint(i).name for i in range(model.njnt)]
    for joint in params.axes:
        if joint not in joints:
            raise ConfigError(f"{path} has no joint {joint!r}; {choices(joint, joints)}")
        if int(model.joint(joint).type[0]) not in (int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)):
            raise ConfigError(f"{path}: joint {joint!r} neither turns about an axis nor slides along one")
    tool_kind(model, params.tool, path)
    return model


def tool_kind(model: Any, tool: str, path: Path | str = "the arm's model") -> str:
    """Whether the tool is a `site` or a `body` of the model; ConfigError when it is neither."""
    sites = [model.site(i).name for i in range(model.nsite)]
    bodies = [model.body(i).name for i in range(model.nbody)]
    if tool not in sites + bodies:
        raise ConfigError(f"{path} has no site or body {tool!r}; {choices(tool, sites + bodies)}")
    return "site" if tool in sites else "body"


def _bare(spec: Any) -> None:
    """A URDF without its meshes, with the links that are fixed to others, and of a mass where it gives none."""
    for geom in list(spec.geoms):
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            spec.delete(geom)
    for mesh in list(spec.meshes):
        spec.delete(mesh)
    spec.compiler.fusestatic = False
    spec.compiler.boundmass = spec.compiler.boundinertia = 1e-6
