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
from vla_node.dialects.r1_3d import R13d
from vla_node.dialects.vla_r1 import VlaR1
from vla_node.dialects.waypoints import Waypoints

DIALECTS: dict[str, Callable[[DialectParams], Dialect]] = {
    cls.name: cls for cls in (DualVln, GeminiEr, MobileVlaR1, NavR1, Navila, R13d, VlaR1, Waypoints)
}


def dialect(name: str, params: DialectParams | None = None) -> Dialect:
    """The dialect of that name. ConfigError where there is none."""
    if name not in DIALECTS:
        raise ConfigError(f"unknown dialect {name!r}; {choices(name, DIALECTS)}")
    return DIALECTS[name](params or DialectParams())
