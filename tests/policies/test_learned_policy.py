"""The learned policy: what it is shown, what it leaves to the embedded one, and that it keeps a policy's contract."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learned_scene import T_BODY_FROM_CAM, classical, degrees, depth_of, robot, seeing, with_plan
from policy_scene import STAMP_NS

from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.geometry import SE3
from saccade.types import PlanKind
from vla_node.bodies import body_of
from vla_node.policies.base import PolicyError
from vla_node.policies.check import check_policy
from vla_node.policies.default import default_policy
from vla_node.policies.learned import scan
from vla_node.policies.learned.card import SHIPPED, load_card
from vla_node.policies.learned.open import open_learned
from vla_node.policies.learned.policy import LearnedPolicy
from vla_node.policies.learned.sight import SCANS, Sight

CAMERA = seeing().camera
assert CAMERA is not None


@pytest.fixture
def learned() -> LearnedPolicy:
    return open_learned(classical())


def test_it_keeps_the_contract(learned: LearnedPolicy) -> None:
    check_policy(learned, seeing([(2.0, 0.3, 0.2)]))


def test_the_robot_file_chooses_it() -> None:
    vla = robot()
    chosen = default_policy(replace(vla, policy=replace(vla.policy, travel="learned")), body_of(vla))
    assert isinstance(chosen, LearnedPolicy)
    assert chosen.spec.depth
    assert default_policy(vla, body_of(vla)).spec.name == "embedded"


def test_what_ships_is_what_its_card_means_and_small() -> None:
    card = load_card()
    data = card.graph.read_bytes()
    assert hashlib.sha256(data).hexdigest() == card.sha256
    assert len(data) < 1_000_000
    assert {"data", "method", "minutes", "seed"} <= set(card.trained)


def test_another_graph_than_the_cards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "travel.yaml").write_text(SHIPPED.read_text())
    (tmp_path / "travel.onnx").write_bytes(SHIPPED.with_suffix(".onnx").read_bytes() + b"\0")
    with pytest.raises(Exception, match="not the model that was tested"):
        open_learned(classical(), tmp_path / "travel.yaml")


def test_a_robot_that_it_was_not_trained_for_is_refused() -> None:
    own = classical()
    with pytest.raises(ConfigError, match=r"limits\.radius_m of 0\.34, and this one's is 0\.2"):
        open_learned(replace(own, limits=replace(own.limits, radius_m=0.2)))


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": PlanKind.VELOCITY, "values": np.array([0.2, 0.0, 0.3])},
        {"waypoints": np.array([[0.0, 0.0, 0.0], [0.0, 0.02, 0.0]])},  # a turn on the spot
        {"waypoints": np.array([[0.0, 0.0, 0.0], [0.35, 0.0, 0.0]])},  # the last steps
    ],
)
def test_what_it_was_not_trained_for_is_left_to_the_embedded_policy(
    learned: LearnedPolicy, changes: dict[str, object]
) -> None:
    look = with_plan(seeing(), **changes)
    assert np.array_equal(learned.act(look, SEC), classical().act(look, SEC))


def test_it_does_not_drive_without_its_senses(learned: LearnedPolicy) -> None:
    seen = seeing()
    for lacking in (
        replace(seen, depth_m=None),
        replace(seen, grid=None),
        replace(seen, camera=None),
        replace(seen, depth_m=np.zeros((3, 4), np.float32)),
        with_plan(seen, kind=PlanKind.TEXT),
    ):
        with pytest.raises(PolicyError):
            learned.act(lacking, SEC)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, 1e30])
def test_whatever_depth_says_rows_are_finite_and_within_the_robots_speeds(learned: LearnedPolicy, value: float) -> None:
    shown = seeing()
    assert shown.depth_m is not None
    rows = learned.act(replace(shown, depth_m=np.full_like(shown.depth_m, value)), SEC)
    limits = classical().limits
    assert np.isfinite(rows).all()
    assert (np.abs(rows) <= (limits.v_m_s, limits.w_rad_s)).all()


def test_it_comes_to_rest_before_the_plan_ends(learned: LearnedPolicy) -> None:
    seen = seeing()
    rows = learned.act(with_plan(seen, obs_stamp_ns=STAMP_NS - 9 * SEC - 600 * MS), SEC)
    assert not rows[8:].any()


def test_the_same_looks_give_the_same_rows(learned: LearnedPolicy) -> None:
    looks = [replace(seeing([(2.0 - 0.1 * i, 0.2 * i, 0.25)]), stamp_ns=STAMP_NS + 50 * MS * i) for i in range(12)]
    twice = []
    for _ in range(2):
        learned.begin(7)
        twice.append(np.stack([learned.act(look, SEC) for look in looks]))
    assert np.array_equal(*twice)


def test_a_pillar_is_seen_where_it_stands() -> None:
    seen = scan.of_depth(depth_of([(2.0, 0.7, 0.15)]), CAMERA, T_BODY_FROM_CAM)
    near = int(np.argmin(seen))
    assert degrees(near) == pytest.approx(19.3, abs=5.0)
    assert seen[near] == pytest.approx(1.97, abs=0.08)
    assert (np.delete(seen, [near - 2, near - 1, near, near + 1, near + 2]) == scan.FAR_M).all()  # and no floor


def test_a_scan_backwards_is_the_mirrored_worlds() -> None:
    depth = depth_of([(2.0, 0.7, 0.15)])[:, ::2]  # as many columns as are looked at: the same pixels, mirrored
    camera = replace(CAMERA, fx=50.0, cx=39.75, width=80)
    left = scan.of_depth(depth, camera, T_BODY_FROM_CAM)
    right = scan.of_depth(depth[:, ::-1], replace(camera, cx=79 - camera.cx), T_BODY_FROM_CAM)
    assert left.min() < 2.1
    assert np.allclose(left, right[::-1], atol=1e-5)


def test_an_earlier_scan_is_seen_from_where_the_robot_is_now() -> None:
    then = scan.of_depth(depth_of([(3.0, 0.0, 0.2)]), CAMERA, T_BODY_FROM_CAM)
    now = scan.moved(then, SE3.from_rpy(0.0, 0.0, 0.0, (1.0, 0.0, 0.0)).inverse())
    assert now.min() == pytest.approx(then.min() - 1.0, abs=0.05)


def test_half_a_second_ago_is_remembered_and_no_longer() -> None:
    sight = Sight()

    def before(pillar_x: float, after_ms: int, moved_m: float = 0.0) -> float:
        """How near the pillar was by the second scan; the robot has moved forward since the others."""
        T = SE3.from_rpy(0.0, 0.0, 0.0, (moved_m, 0.0, 0.0))
        look = seeing([(pillar_x, 0.0, 0.2)], T_odom_from_cam=T @ T_BODY_FROM_CAM)
        state = replace(look.state, T_odom_from_body=T)
        look = replace(look, stamp_ns=STAMP_NS + after_ms * MS, state=state)
        now, then = sight.see(look)["scan"][0, :2]
        assert now.min() == pytest.approx(pillar_x - 0.2, abs=0.08)
        return float(then.min())

    assert before(3.0, 0) == pytest.approx(2.8, abs=0.08)
    assert before(2.5, 400) == pytest.approx(2.8, abs=0.08)
    assert before(2.0, 450, moved_m=0.5) == pytest.approx(2.3, abs=0.08)  # nearer by as much as the robot moved
    assert before(2.0, 800) == pytest.approx(2.3, abs=0.08)  # of 400 ms
    assert before(1.5, 2000) == pytest.approx(1.3, abs=0.08)  # nothing of late
    assert before(2.5, 1900) == pytest.approx(2.3, abs=0.08)  # a clock that went back
    sight.forget()
    assert before(2.0, 2100) == pytest.approx(1.8, abs=0.08)


def test_what_was_looked_into_turns_with_the_robot() -> None:
    """The camera looks 38.5 degrees to either side; the robot has turned to the left by 30 since."""
    sight, T = Sight(), SE3.from_rpy(0.0, 0.0, math.radians(30.0))
    sight.see(seeing())
    turned = seeing(T_odom_from_cam=T @ T_BODY_FROM_CAM)
    turned = replace(turned, stamp_ns=STAMP_NS + 400 * MS, state=replace(turned.state, T_odom_from_body=T))
    now, then = sight.see(turned)["view"][0, :2]
    assert [degrees(int(i)) for i in np.flatnonzero(now)[[0, -1]]] == pytest.approx([-37.5, 37.5])
    assert [degrees(int(i)) for i in np.flatnonzero(then)[[0, -1]]] == pytest.approx([-67.5, 7.5])


def test_scans_are_told_with_their_age() -> None:
    sight = Sight()
    ages = [sight.see(replace(seeing(), stamp_ns=STAMP_NS + i * 100 * MS))["age"][0].tolist() for i in range(25)]
    assert ages[0] == [0.0] * SCANS
    assert ages[7] == pytest.approx([0.0, 0.5, 0.7, 0.7])
    assert ages[24] == pytest.approx([0.0, 0.5, 1.0, 1.5])
