"""Dialects of reasoning models: one small file each, with how it asks and a strict reading of its answers."""

from __future__ import annotations

from collections.abc import Callable

from saccade.errors import ConfigError, choices
from vla_node.dialects.base import Dialect
from vla_node.dialects.dualvln import DualVln
from vla_node.dialects.gemini_er import GeminiEr
from vla_node.dialects.mobilevla_r1 import MobileVlaR1
from vla_node.dialects.nav_r1 import NavR1
from vla_node.dialects.navila import Navila
from vla_node.dialects.params import DialectParams
from vla_node.dialects.pointing import Driving, Grasping, Pointing
from vla_node.dialects.r1_3d import R13d
from vla_node.dialects.vla_r1 import VlaR1
from vla_node.dialects.waypoints import Waypoints
from vla_node.embodiments.arm import ArmParams

POINTING: dict[str, Callable[[DialectParams, Pointing], Dialect]] = {
    cls.name: cls for cls in (GeminiEr, VlaR1, Waypoints)
}
"""Those that point into the picture, at what any robot may go to or take hold of."""
DRIVING: dict[str, Callable[[DialectParams], Dialect]] = {
    cls.name: cls for cls in (DualVln, MobileVlaR1, NavR1, Navila, R13d)
}
"""Those that say how to drive."""
DIALECTS = tuple(sorted((*POINTING, *DRIVING)))


def dialect(name: str, params: DialectParams | None = None, arm: ArmParams | None = None) -> Dialect:
    """The dialect of that name, for an arm where one is given. ConfigError where there is none."""
    params = params or DialectParams()
    if name in POINTING:
        return POINTING[name](params, Grasping(arm) if arm else Driving(params.standoff_m))
    if name in DRIVING and arm is None:
        return DRIVING[name](params)
    if name in DRIVING:
        raise ConfigError(f"dialect {name!r} says how to drive, which an arm does not; {choices(name, POINTING)}")
    raise ConfigError(f"unknown dialect {name!r}; {choices(name, DIALECTS)}")
