"""Contract of the limits file."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from contract_base import Modules

from saccade.clock import MS


def check_limits_defaults(m: Modules) -> None:
    limits = m.limits.Limits()
    assert limits.axes == ("vx", "wz")
    assert limits.max_speed == (0.8, 1.5)
    assert limits.max_accel == limits.max_brake == (0.8, 2.5)
    assert (limits.radius_m, limits.margin_m, limits.reaction_s, limits.escape_fraction) == (0.25, 0.10, 0.10, 0.2)
    assert limits.required == {"chunk": 0.3, "local_map": 0.4, "odom": 0.2}
    assert limits.stale_ns() == {"chunk": 300 * MS, "local_map": 400 * MS, "odom": 200 * MS}
    assert m.limits.TICK_NS == 10 * MS
    assert list(m.limits.AXES) == ["vx", "vy", "vz", "wx", "wy", "wz"]


def refused(m: Modules, key: str, **fields: Any) -> None:
    try:
        m.limits.Limits(**fields)
    except ValueError as error:
        said = str(error)
    else:
        said = "nothing, and took it"
    assert f"{key} " in said or f"{key!r}" in said, f"{fields}: it says {said}"


def check_limits_refuse_what_is_not_a_limit(m: Modules) -> None:
    tiny, huge = 5e-324, 1.7e308
    for bad in (0.0, -1.0, -tiny, math.nan, math.inf, -math.inf):
        for key in ("max_speed", "max_accel", "max_brake"):
            refused(m, f"{key} of vx", **{key: (bad, 1.0)})
            refused(m, f"{key} of wz", **{key: (1.0, bad)})
        for key in ("radius_m", "margin_m", "reaction_s", "escape_fraction"):
            refused(m, key, **{key: bad})
        for name in ("chunk", "local_map", "odom"):
            refused(m, f"required.{name}", required={"chunk": 0.3, "local_map": 0.4, "odom": 0.2, name: bad})
    m.limits.Limits(
        max_speed=(tiny, huge), max_accel=(huge, tiny), max_brake=(tiny, tiny), radius_m=tiny, margin_m=huge
    )
    refused(m, "reaction_s", reaction_s=math.nextafter(0.01, 0.0))
    m.limits.Limits(reaction_s=0.01)
    refused(m, "escape_fraction", escape_fraction=math.nextafter(1.0, 2.0))
    m.limits.Limits(escape_fraction=1.0)
    m.limits.Limits(escape_fraction=tiny)
    refused(m, "required.chunk", required={"chunk": math.nextafter(2.0, 3.0)})
    m.limits.Limits(required={"chunk": 2.0})
    m.limits.Limits(required={"chunk": tiny})


def check_limits_agree_with_each_other(m: Modules) -> None:
    for key in ("max_speed", "max_accel", "max_brake"):
        refused(m, key, **{key: (1.0,)})
        refused(m, key, **{key: (1.0, 1.0, 1.0)})
    three = dict.fromkeys(("max_speed", "max_accel", "max_brake"), (1.0, 1.0, 1.0))
    refused(m, "axes", axes=(), max_speed=(), max_accel=(), max_brake=())
    refused(m, "axes", axes=("vx", "vx"))
    refused(m, "vX", axes=("vz", "vX"))
    refused(m, "chunk", required={"odom": 0.2})
    refused(m, "odom", required={"chunk": 0.3, "local_map": 0.4})
    refused(m, "operator_stop", required={"chunk": 0.3, "operator_halt": 0.4})
    refused(m, "plan", required={"chunk": 0.3, "plan": 0.4})
    refused(m, "vz", axes=("vx", "vz", "wz"), **three)
    m.limits.Limits(axes=("vx", "vz", "wz"), required={"chunk": 0.3, "odom": 0.2}, **three)
    m.limits.Limits(axes=("vx", "vy", "wz"), **three)
    m.limits.Limits(axes=("vx",), max_speed=(1.0,), max_accel=(1.0,), max_brake=(1.0,))
    m.limits.Limits(required={"chunk": 0.3, "local_map": 0.4, "odom": 0.2, "operator_stop": 0.5})


def check_limits_say_what_ros_may_change_and_how_far(m: Modules) -> None:
    """What `ros2 param describe` shows; the checks above are what holds."""
    about = {field.name: field.metadata for field in fields(m.limits.Limits)}
    bounds = {name: (said["low"], said["high"]) for name, said in about.items() if said["low"] is not None}
    over = dict.fromkeys(("radius_m", "margin_m", "height_m", "memory_s", "reaction_s"), (0, None))
    assert bounds == {**over, "escape_fraction": (0, 1)}
    changeable = {name for name, said in about.items() if said["live"]}
    assert changeable == {"max_speed", "max_accel", "max_brake", *bounds}
