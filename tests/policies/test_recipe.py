"""What a model is shown and what it answers: order, units, frames, deltas; read undoes write."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_scene import card, look, moves, velocity

from saccade.geometry import SE3
from saccade.types import Image, PlanKind
from vla_node.policies.base import Look, PolicyError
from vla_node.policies.card import PolicyCard, load_card
from vla_node.policies.observe import Observer, rotation_vector
from vla_node.policies.rows import Rows


def observe(shown: PolicyCard, seen: Look) -> Any:
    return Observer(shown, Rows(shown).promised).observe(seen)


def vector(*parts: dict[str, Any], seen: Look | None = None, **entry: Any) -> list[float]:
    shown = card(velocity(observation=[{"key": "x", "vector": list(parts), "dtype": "float64", **entry}]))
    return observe(shown, seen or look())["x"].tolist()


def test_numbers_stand_in_the_order_and_units_of_the_card() -> None:
    assert vector({"joints": ["b", "a"], "unit": "deg"}, {"twist": ["wz"]}) == pytest.approx(
        [np.degrees(-0.2), np.degrees(0.1), 0.25]
    )
    assert vector({"joints": ["finger"], "unit": "own", "scale": [10.0], "offset": [1.0]}) == pytest.approx([1.2])
    assert vector({"odometry": ["x", "y", "yaw"]}) == pytest.approx([1.0, 2.0, np.pi / 2])
    assert vector({"number": "since_plan_s"}, {"ego_motion": ["x", "yaw"]}) == pytest.approx([0.25, 0.2, 0.1])
    assert vector({"tool": ["x", "rz"]}) == pytest.approx([0.4, rotation_vector(look().T_arm_from_tool.R)[2]])
    seen = look()
    stopped = replace(seen, plan=replace(seen.plan, kind=PlanKind.STOP), delay_rows=3)
    assert vector({"number": "stop"}, {"number": "delay_rows"}, seen=stopped) == [1.0, 3.0]


def test_waypoints_are_in_the_bodys_frame_and_go_on_from_where_the_robot_is() -> None:
    """The plan leads 3 m along y, which is straight ahead of the robot; after a metre of it 2 are left."""
    assert vector({"waypoints": 3, "spacing_m": 1.5}) == pytest.approx([1.5, 0, 3, 0, 3, 0], abs=1e-9)
    seen = look()
    ahead = replace(seen.state, T_odom_from_body=SE3.from_rpy(0, 0, np.pi / 2, (1.5, 3.0, 0)))
    later = replace(seen, state=ahead)
    assert vector({"waypoints": 2, "spacing_m": 1.0}, seen=later) == pytest.approx([1, 0.5, 2, 0.5], abs=1e-9)
    assert vector({"goal": ["x", "y"]}, seen=later) == pytest.approx([2.0, 0.5], abs=1e-9)


def test_normalisation_maps_quantiles_to_one_and_deviations_to_one() -> None:
    quantiles = {"q01": [0.0, 0.0], "q99": [1.0, 0.25]}
    assert vector({"twist": ["vx", "wz"]}, normalise=quantiles) == pytest.approx([0.0, 1.0])
    deviation = {"mean": [0.0, 0.0], "std": [0.5, 0.5]}
    assert vector({"twist": ["vx", "wz"]}, normalise=deviation) == pytest.approx([1.0, 0.5])
    assert vector({"twist": ["vx", "wz"]}, axes_before=2) == [[[0.5, 0.25]]]


@pytest.mark.parametrize(
    ("part", "changes", "says"),
    [
        ({"joints": ["c"], "unit": "rad"}, {}, "joint 'c'"),
        ({"tool": ["x"]}, {"T_arm_from_tool": None}, "the tool is not known"),
        ({"goal": ["x"]}, {"plan": replace(look().plan, kind=PlanKind.TEXT)}, "of kind TEXT has no waypoints"),
        ({"goal": ["x"]}, {"plan": replace(look().plan, frame_id="map")}, "plan in 'map', odometry in 'odom'"),
        ({"joints": ["a"], "unit": "rad"}, {"joints": {"a": float("nan")}}, "expected finite"),
    ],
)
def test_what_cannot_be_shown_is_an_error(part: dict[str, Any], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        vector(part, seen=look(**changes))
    with pytest.raises(PolicyError, match="no picture of camera 'front'"):
        observe(card(velocity()), look(images={}))


def picture(data: Any, **image: Any) -> Any:
    part = {"camera": "front", "size": [8, 8], "fit": "pad", "layout": "hwc", "dtype": "uint8", **image}
    shown = card(velocity(observation=[{"key": "x", "image": part}]))
    return observe(shown, look(images={"front": Image(0, "cam", np.asarray(data, np.uint8))}))["x"]


def test_pictures_are_padded_cut_or_stretched_and_turned() -> None:
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, :8], wide[:, 8:] = (255, 0, 0), (0, 0, 255)
    padded = picture(wide)
    assert not padded[:2].any()
    assert not padded[6:].any()
    assert padded[2:6, :4].tolist() == [[[255, 0, 0]] * 4] * 4
    assert picture(wide, fit="crop")[:, 3].tolist() == [[255, 0, 0]] * 8
    assert picture(wide, fit="crop")[:, 4].tolist() == [[0, 0, 255]] * 8
    assert picture(wide, fit="resize")[0, 0].tolist() == [255, 0, 0]
    assert picture(wide, fit="resize", order="bgr")[0, 0].tolist() == [0, 0, 255]
    assert picture(wide, fit="resize", layout="chw")[0].tolist() == [[255] * 4 + [0] * 4] * 8
    assert picture(np.full((4, 4), 7))[:, :, 2].tolist() == [[7] * 8] * 8


def test_float_pictures_have_the_cards_range_and_then_its_normalisation() -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    plain = picture(white, dtype="float32", range=[-1, 1])
    assert plain.dtype == np.float32
    assert np.allclose(plain, 1.0)
    stats = {"mean": [0.5, 0.4, 0.2], "std": [0.5, 0.2, 0.1]}
    normal = picture(white, dtype="float32", range=[0, 1], normalise=stats)
    assert np.allclose(normal[0, 0], [1.0, 3.0, 8.0], atol=1e-5)


def test_depth_keeps_its_metres_and_marks_what_is_not_known() -> None:
    shown = card(velocity(observation=[{"key": "d", "depth": {"size": [2, 2], "none": -1.0, "most_m": 5.0}}]))
    depth = np.array([[1.0, np.nan], [7.0, 2.0]], np.float32)
    assert observe(shown, look(depth_m=depth))["d"].tolist() == [[1.0, -1.0], [5.0, 2.0]]
    with pytest.raises(PolicyError, match="no depth image"):
        observe(shown, look())


def test_groups_nest_and_texts_are_the_plans_words() -> None:
    seen = observe(load_card("velocity-http"), look())
    assert seen["instruction"] == "go there"
    shown = card(velocity(observation=[{"key": "k", "group": "language", "text": "plan"}]))
    assert observe(shown, look()) == {"language": {"k": "to the door"}}


def test_promised_rows_are_shown_in_the_models_own_numbers() -> None:
    document = velocity(observation=[{"key": "prefix", "promised": 3}])
    document["actions"]["parts"][0]["scale"] = [0.5]
    shown = card(document)
    assert shown.spec.takes_promised
    rows = np.array([[0.1, 0.2], [0.3, 0.4]])
    prefix = observe(shown, look(promised=rows))["prefix"]
    assert np.allclose(prefix, [[0.2, 0.4], [0.6, 0.8], [0.6, 0.8]])
    assert not observe(shown, look())["prefix"].any()


def read(acts: PolicyCard, values: Any, seen: Look | None = None, key: str = "actions") -> Any:
    return Rows(acts).read({key: np.asarray(values, np.float32)}, seen or look()).round(6).tolist()


def test_columns_units_and_scales_give_si() -> None:
    acts = moves(
        kind="velocity", frame="body", dt_s=0.1, horizon=2,
        parts=[
            {"axes": ["vx", "wz"], "columns": [2, 0], "units": ["cm/s", "deg/s"], "scale": [10.0, 90.0],
             "offset": [5.0, 0.0], "limits": [[-2, 2]]},
        ],
    )  # fmt: skip
    assert read(acts, [[1, 9, 2], [-1, 9, 0]]) == [[0.25, round(np.pi / 2, 6)], [0.05, round(-np.pi / 2, 6)]]
    assert read(acts, [[[1, 9, 2], [-1, 9, 0]]])[0][0] == 0.25


def test_joint_deltas_are_counted_from_the_state_at_the_looks_stamp() -> None:
    part = {"axes": ["a", "b"], "columns": [0, 1], "units": ["rad"], "limits": [[-3, 3]]}
    grip = {"axes": ["finger"], "columns": [2], "units": ["m"], "delta": "absolute", "limits": [[0, 0.1]],
            "threshold": 0.5, "scale": [0.04]}  # fmt: skip
    common = {"kind": "joint_position", "frame": "joint", "dt_s": 0.1, "horizon": 2}
    values = [[0.5, 0.1, 0.9], [0.5, 0.1, 0.2]]
    step = moves(**common, parts=[{**part, "delta": "step"}, grip])
    assert read(step, values) == [[0.6, -0.1, 0.04], [1.1, 0.0, 0.0]]
    chunk = moves(**common, parts=[{**part, "delta": "chunk"}, grip])
    assert read(chunk, values) == [[0.6, -0.1, 0.04], [0.6, -0.1, 0.0]]
    absolute = moves(**common, parts=[{**part, "delta": "absolute"}, grip])
    assert read(absolute, values)[1] == [0.5, 0.1, 0.0]


def test_waypoints_in_the_odometrys_frame_become_the_bodys() -> None:
    acts = moves(
        kind="waypoints", frame="odom", dt_s=0.1, horizon=2,
        parts=[{"axes": ["x", "y", "yaw"], "units": ["m", "m", "rad"], "delta": "absolute", "limits": [[-9, 9]]}],
    )  # fmt: skip
    assert read(acts, [[1, 3, np.pi / 2], [0, 2, np.pi]]) == [[1, 0, 0], [0, 1, round(np.pi / 2, 6)]]


def test_tool_deltas_turn_in_the_frame_they_are_said_in() -> None:
    """A quarter turn about z, then a step along x: in the base's axes x stays x, in the tool's it has become y."""
    common = {"kind": "end_effector", "dt_s": 0.1, "horizon": 2}
    part = {"axes": ["x", "y", "z", "rx", "ry", "rz"], "units": ["m"] * 3 + ["rad"] * 3, "limits": [[-4, 4]]}
    seen = look(T_arm_from_tool=SE3(np.eye(3), np.array([0.1, 0.2, 0.3])))
    values = [[0, 0, 0, 0, 0, np.pi / 2], [1, 0, 0, 0, 0, 0]]
    turned = round(np.pi / 2, 6)
    in_base = moves(**common, frame="arm_base", parts=[{**part, "delta": "step"}])
    assert read(in_base, values, seen)[1] == [1.1, 0.2, 0.3, 0, 0, turned]
    in_tool = moves(**common, frame="tool", parts=[{**part, "delta": "step"}])
    assert read(in_tool, values, seen)[1] == [0.1, 1.2, 0.3, 0, 0, turned]
    chunk = moves(**common, frame="tool", parts=[{**part, "delta": "chunk"}])
    assert read(chunk, values, seen)[1] == [1.1, 0.2, 0.3, 0, 0, 0]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "no 'actions'"),
        ({"action": np.zeros((4, 2))}, "did you mean 'action'"),
        ({"actions": np.zeros((4, 3))}, "has shape (4, 3); expected (4, 2)"),
        ({"actions": np.zeros((5, 2))}, "has shape (5, 2)"),
        ({"actions": np.zeros((2, 4, 2))}, "has shape (2, 4, 2)"),
        ({"actions": np.zeros(())}, "has shape ()"),
        ({"actions": np.array([["0"] * 2] * 4)}, "of dtype"),
        ({"actions": np.array([[None] * 2] * 4)}, "of dtype object"),
        ({"actions": np.full((4, 2), np.nan)}, "vx of row 0 is nan"),
        ({"actions": np.array([[0, 0]] * 3 + [[0, np.inf]])}, "wz of row 3 is inf"),
        ({"actions": np.full((4, 2), 0.9)}, "vx of row 0 is 0.9, its card's limits are -0.8 to 0.8"),
    ],
)
def test_answers_that_may_not_be_executed_are_refused_by_name(answer: dict[str, Any], says: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(says)):
        Rows(card(velocity())).read(answer, look())


KINDS: dict[str, PolicyCard] = {
    "http": load_card("velocity-http"), "onnx": load_card("velocity-onnx"), "libero": load_card("openpi-libero"),
    "droid": load_card("openpi-droid"), "aloha": load_card("openpi-aloha"), "gr00t": load_card("gr00t-g1"),
    "odom": moves(kind="waypoints", frame="odom", dt_s=0.1, horizon=5, parts=[
        {"axes": ["x", "y", "yaw"], "units": ["cm", "m", "deg"], "delta": "absolute", "limits": [[-3, 3]]}]),
    "steps": moves(kind="waypoints", frame="body", dt_s=0.1, horizon=5, parts=[
        {"axes": ["x", "y"], "units": ["m"], "delta": "step", "limits": [[-3, 3]]}]),
    "tool": moves(kind="end_effector", frame="tool", dt_s=0.1, horizon=5, parts=[
        {"axes": ["x", "y", "z", "rx", "ry", "rz"], "units": ["m"] * 3 + ["rad"] * 3, "delta": "chunk",
         "limits": [[-3.2, 3.2]]}]),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_written_is_read_back(name: str, seed: int) -> None:
    acts, rng = KINDS[name], np.random.default_rng(seed)
    limits = [p for part in acts.moves.parts for p in (part.limits * len(part.axes))[: len(part.axes)]]
    low, high = np.array(limits).T
    turns = [axis in ("rx", "ry", "rz") for axis in acts.spec.axes]
    low, high = np.where(turns, -1.5, low), np.where(turns, 1.5, high)
    rows = rng.uniform(low, high, (acts.spec.horizon, len(low)))
    for part in acts.moves.parts:
        if part.threshold is not None:
            i = acts.spec.axes.index(part.axes[0])
            rows[:, i] = np.where(rows[:, i] > np.mean((low[i], high[i])), part.scale[0], 0.0)
    joints = {axis: 0.1 * i for i, axis in enumerate(acts.spec.axes)}
    seen = look(joints=joints)
    assert np.allclose(Rows(acts).read(Rows(acts).write(rows, seen), seen), rows, atol=1e-9)
