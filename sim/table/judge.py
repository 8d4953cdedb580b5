"""What became of the things on the table, by their true places."""

from __future__ import annotations

from typing import Any

import numpy as np

from saccade.clock import seconds
from sim.table.cell import Cell
from sim.table.layout import TRAY_M, Layout

LIFTED_M = 0.04
"""So much higher than at the beginning, and held there by the gripper alone, is lifted."""
PUSHED_M = 0.03
"""So far from where it stood, on the table, something was pushed."""


class Judge:
    """Follows the things: which were lifted and when, which lie on the tray at the end, which were pushed about."""

    def __init__(self, layout: Layout, cell: Cell) -> None:
        self._cell, self._tray = cell, layout.tray
        self._asked = {"seed": layout.seed, "goal": layout.goal, "tray": layout.tray.name}
        self._began = {item.name: cell.place(item.name) for item in layout.items}
        self._lifted_ns: dict[str, int] = {}

    def see(self, elapsed_ns: int) -> None:
        """Note where things are, `elapsed_ns` after the start."""
        for name, began in self._began.items():
            if name not in self._lifted_ns and self._cell.place(name)[2] - began[2] > LIFTED_M:
                self._lifted_ns[name] = elapsed_ns

    def verdict(self) -> dict[str, Any]:
        """`goal`: what an errand is to be about, `tray`: where it may be put. `lifted`: seconds by name. Names:

        `held`: is so high now; `on_tray`; `pushed`: was moved and never lifted. `hit`: the table,
        by the fingers, and all that was pushed; `collisions`: how many.
        """
        now = {name: self._cell.place(name) for name in self._began}
        on_tray = [name for name, at in now.items() if self._on_tray(at)]
        moved = {name: float(np.hypot(*(now[name] - began)[:2])) for name, began in self._began.items()}
        pushed = [n for n, m in moved.items() if m > PUSHED_M and n not in self._lifted_ns]
        lifted = {name: round(seconds(at_ns), 2) for name, at_ns in self._lifted_ns.items()}
        held = [name for name, at in now.items() if at[2] - self._began[name][2] > LIFTED_M]
        hit = [*self._cell.hits, *pushed]
        return {
            **self._asked, "lifted": lifted, "held": held, "on_tray": on_tray, "pushed": pushed,
            "collisions": len(hit), "hit": hit,
        }  # fmt: skip

    def _on_tray(self, at: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
        c, s = np.cos(self._tray.yaw), np.sin(self._tray.yaw)
        dx, dy = at[0] - self._tray.x, at[1] - self._tray.y
        along, across = abs(c * dx + s * dy), abs(-s * dx + c * dy)
        return bool(along < TRAY_M[0] / 2 and across < TRAY_M[1] / 2 and at[2] < 0.10)
