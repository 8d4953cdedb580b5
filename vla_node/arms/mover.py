"""A learned motion of an arm: a network that says how fast its joints go to bring the tool to a point, pointing down.

It is shown the joints, the speeds that they are asked for, and how far the tool is off, and answers with the speeds of
the next rows. Where to go to, and when to close the gripper, is not its business: see `vla_node.arms.learned`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from engines.engine import Engine
from saccade.errors import ConfigError, choices
from saccade.geometry import F64
from saccade.params import build
from vla_node.embodiments.arm import ArmParams
from vla_node.policies.base import PolicyError

_BEYOND = 0.02
"""So little beyond the places that it was trained on it may be sent, m or rad."""
CARDS = Path(__file__).parent / "cards"


@dataclass(frozen=True, slots=True)
class MoverCard:
    """What a network was trained for: this arm, moving within these limits (rad/s, rad/s2 by joint), to these places.

    `low` and `high` bound the places: distance from the base m, bearing rad, height m.

    The graph takes `joints`, `speeds` (1, n) and `off` (1, 6), see `off_by`, and gives `rows` (1, horizon, n): speeds,
    row i until (i + 1) dt_s from now. All float32, rad/s and m.
    """

    name: str = ""
    source: str = ""
    licence: str = ""
    onnx: str = ""
    sha256: str = ""
    model: str = ""
    joints: tuple[str, ...] = ()
    turn_rad: float = 0.0
    speed: tuple[float, ...] = ()
    accel: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    dt_s: float = 0.05
    horizon: int = 8
    trained: dict[str, str] = field(default_factory=dict)

    def check(self, goal: F64) -> None:
        """PolicyError for a point (3,) that it was not trained to go to: what it would do is anybody's guess."""
        at = np.array([np.hypot(goal[0], goal[1]), np.arctan2(goal[1], goal[0]), goal[2]])
        if (at < np.array(self.low) - _BEYOND).any() or (at > np.array(self.high) + _BEYOND).any():
            ranges = ", ".join(f"{low:g} to {high:g}" for low, high in zip(self.low, self.high, strict=True))
            raise PolicyError(
                f"a place {at[0]:.2f} m away at {at[1]:.2f} rad, {at[2]:.2f} m high, is none that mover {self.name} "
                f"was trained to go to: {ranges}"
            )

    def fit(self, arm: ArmParams, dt_s: float) -> None:
        """ConfigError unless it was trained for this arm, its limits and this rate."""
        count = len(arm.joints)
        for what, mine, wanted in (
            ("model", Path(self.model).name, Path(arm.model).name), ("joints", self.joints, arm.joints),
            ("turn_rad", self.turn_rad, arm.grasp.turn_rad), ("a row's seconds", self.dt_s, dt_s),
            ("approach", "down", arm.grasp.approach),
        ):  # fmt: skip
            if mine != wanted:
                raise ConfigError(f"mover {self.name} was trained for {what} {mine}, and the arm's is {wanted}")
        if (np.array(self.speed) > np.array(arm.max_speed[:count])).any() or (
            np.array(self.accel) > np.array(arm.max_accel[:count])
        ).any():
            raise ConfigError(f"mover {self.name} goes as fast as {self.speed}, {self.accel}: above the arm's limits")


def load_mover(name: str) -> tuple[MoverCard, Path]:
    """A card by name, or by the path of a YAML file, and where its graph is; ConfigError where there is none."""
    path = Path(name) if name.endswith(".yaml") else CARDS / f"{name}.yaml"
    if not path.is_file():
        known = [card.stem for card in CARDS.glob("*.yaml")]
        raise ConfigError(f"no mover {name!r}; {choices(name, known)}, or the path of a card")
    document = yaml.safe_load(path.read_text())
    if not isinstance(document, dict):
        raise ConfigError(f"{path} holds no card of a mover; expected keys such as name, onnx, sha256, joints")
    card = build(MoverCard, document, str(path))
    return card, path.parent / card.onnx


class Mover:
    """A card and its graph, opened; EngineError for a graph that is not the card's."""

    def __init__(self, card: MoverCard, graph: Path) -> None:
        from engines.onnx_file import check_graph
        from engines.options import OrtOptions
        from engines.ort import OrtEngine

        check_graph(graph)
        self.card = card
        self._engine: Engine = OrtEngine(card.name, graph, card.sha256, OrtOptions(intra_threads=1))

    def rows(self, joints: F64, speeds: F64, off: F64) -> F64:
        """Speeds (horizon, n) rad/s by joint, within the card's limits; PolicyError where they are not finite."""
        shown = {"joints": joints, "speeds": speeds, "off": off}
        answer = self._engine.infer({name: value[None].astype(np.float32) for name, value in shown.items()})
        rows = np.asarray(answer["rows"][0], np.float64)
        if rows.shape != (self.card.horizon, len(joints)) or not np.isfinite(rows).all():
            raise PolicyError(f"{self.card.name} answers {rows.shape}, or what is not finite; expected finite speeds")
        most = np.array(self.card.speed)
        return np.clip(rows, -most, most)

    def close(self) -> None:
        """Let go of the graph."""
        self._engine.close()


def off_by(t: F64, R: F64, goal: F64, turn_rad: float) -> F64:
    """How far tools (..., 3), (..., 3, 3) are off points (..., 3), pointing down as `facing` has it: (..., 6).

    Outwards, around to the left and up, metres, where around is along the circle about the base; then the rotation
    vector that is missing, rad, about these three axes. So a turn of the whole arm changes nothing of it.
    """
    bearing = np.arctan2(t[..., 1], t[..., 0])
    far = np.hypot(t[..., 0], t[..., 1])
    turn = (np.arctan2(goal[..., 1], goal[..., 0]) - bearing + np.pi) % (2 * np.pi) - np.pi
    place = np.stack([np.hypot(goal[..., 0], goal[..., 1]) - far, far * turn, goal[..., 2] - t[..., 2]], axis=-1)
    there = turned(bearing)
    c, s = np.cos(turn_rad), np.sin(turn_rad)
    down = np.array([[c, -s, 0.0], [-s, -c, 0.0], [0.0, 0.0, -1.0]])
    M = down @ np.swapaxes(np.swapaxes(there, -1, -2) @ R, -1, -2)
    N = 0.5 * (M - np.swapaxes(M, -1, -2))
    return np.concatenate([place, np.stack([N[..., 2, 1], N[..., 0, 2], N[..., 1, 0]], axis=-1)], axis=-1)


def turned(bearing: F64) -> F64:
    """Rotations (..., 3, 3) about the vertical."""
    c, s, nothing = np.cos(bearing), np.sin(bearing), np.zeros_like(bearing)
    rows = [[c, -s, nothing], [s, c, nothing], [nothing, nothing, nothing + 1.0]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
