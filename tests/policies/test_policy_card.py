"""Policy cards: those that ship load, and what is wrong or missing is refused with what to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from policy_scene import card, velocity

from saccade.errors import ConfigError
from vla_node.policies.base import ActionKind
from vla_node.policies.card import card_names, load_card


@pytest.mark.parametrize("name", card_names())
def test_every_card_that_ships_loads_and_says_whence_it_is(name: str) -> None:
    shipped = load_card(name)
    assert shipped.name == name
    assert shipped.about
    assert shipped.spec.horizon == shipped.moves.horizon


def test_the_examples_say_what_the_servers_do() -> None:
    droid, aloha, libero = (load_card(f"openpi-{name}") for name in ("droid", "aloha", "libero"))
    assert (droid.spec.kind, len(droid.spec.axes), droid.spec.cameras) == (
        ActionKind.JOINT_POSITION, 8, ("exterior_left", "wrist"),
    )  # fmt: skip
    assert (len(aloha.spec.axes), aloha.spec.horizon, aloha.spec.dt_ns) == (14, 50, 20_000_000)
    assert sum(part.size for part in aloha.observation[0].vector) == 14
    assert libero.spec.kind is ActionKind.END_EFFECTOR
    assert sum(part.size for part in libero.observation[2].vector) == 8


def without(where: str) -> dict[str, Any]:
    """The velocity card without one of its keys, given as a path such as actions.dt_s or observation.0.key."""
    document = velocity()
    *path, last = where.split(".")
    inside: Any = document
    for step in path:
        inside = inside[int(step)] if step.isdigit() else inside[step]
    del inside[last]
    return document


@pytest.mark.parametrize(
    ("where", "write"),
    [
        ("name", "name is missing"), ("protocol", "one of openpi, gr00t, http, lerobot, zmq, onnx, replay, stub"),
        ("address", "e.g. address: http://127.0.0.1:8000"), ("timeout_s", "seconds after which"),
        ("actions", "kind, frame, dt_s"), ("actions.kind", "velocity, waypoints, end_effector"),
        ("actions.frame", "relative to: body"), ("actions.dt_s", "e.g. dt_s: 0.05"), ("actions.horizon", "horizon: 16"),
        ("actions.parts", "axes, units and limits"), ("actions.parts.0.axes", "axes: [vx, wz]"),
        ("actions.parts.0.units", "m, cm, mm"), ("actions.parts.0.limits", "limits: [[-0.8, 0.8]]"),
        ("observation", "keys that the model is shown"), ("observation.0.key", "the name the model knows it by"),
        ("observation.0.image.size", "size: [224, 224]"), ("observation.0.image.fit", "pad, crop or resize"),
        ("observation.0.image.layout", "hwc or chw"), ("observation.0.image.dtype", "uint8 or float32"),
        ("observation.0.image.camera", "camera: front"), ("observation.1.vector", "exactly one of"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_what_to_write(where: str, write: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(write)):
        card(without(where))


ARM = {"kind": "joint_position", "frame": "joint", "dt_s": 0.1, "horizon": 4}
PART = {"axes": ["vx"], "units": ["m/s"], "limits": [[-1, 1]]}


def acting(**changes: Any) -> dict[str, Any]:
    return velocity(actions={**velocity()["actions"], **changes})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (velocity(adress="x"), "did you mean 'address'?"),
        (velocity(rows=[[0.0, 0.0]]), "rows is not for protocol http; remove it (stub have it)"),
        (velocity(observation=[{"key": "x", "image": {"camra": "front"}}]), "did you mean 'camera'?"),
        (velocity(observation=[{"key": "x", "vector": [{"joints": ["a"]}]}]), "rad, deg, m, mm, or own"),
        (velocity(observation=[{"key": "x", "vector": [{"twist": ["vx"], "number": "stop"}]}]), "exactly one of"),
        (velocity(observation=[{"key": "x", "vector": [{"waypoints": 3}]}]), "spacing_m: 0.25"),
        (velocity(observation=[{"key": "x", "text": "plan"}] * 2), "the same key"),
        (acting(frame="odom"), "for velocity it is body"),
        (acting(dt_s=0.0), "dt_s must be above 0"),
        (acting(parts=[{**PART, "units": ["rad/s"]}]), "units of vx is 'rad/s'"),
        (acting(parts=[{**PART, "axes": ["v"]}]), "velocity has no axis 'v'"),
        (acting(parts=[{**PART, "delta": "step"}]), "valid: absolute"),
        (acting(parts=[PART, PART]), "name one twice"),
        (acting(parts=[{**PART, "columns": [0, 1]}]), "expected 1 different ones"),
        (acting(parts=[{**PART, "limits": [[1, -1]]}]), "finite pairs"),
        (acting(parts=[{**PART, "scale": [0.0]}]), "not 0"),
        (acting(parts=[{**PART, "normalise": {"mean": [0.0], "std": [0.0]}}]), "std must be above 0"),
        (acting(parts=[{**PART, "normalise": {"mean": [0.0]}}]), "equally long"),
        (velocity(actions={**ARM, "parts": [{**PART, "units": ["rad"]}]}), "delta of vx is missing"),
        (velocity(protocol="onnx", address=None, onnx="x.onnx", sha256="12"), "64 hexadecimal digits"),
        (velocity(protocol="lerobot", lerobot={"policy_type": "act", "pretrained": "x", "device": "cpu"}),
         "allow_pickle: true"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(document: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        card(document)


def test_a_card_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'openpi-droid'"):
        load_card("openpi-driod")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="holds no policy card"):
        load_card(tmp_path / "list.yaml")
    (tmp_path / "no.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        load_card(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        load_card(tmp_path / "none.yaml")
