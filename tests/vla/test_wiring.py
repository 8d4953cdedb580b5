"""The node with the reasoner and the policy that its parameters name."""

from dataclasses import replace

import pytest
from vla_world import World, drive, told

from saccade.clock import MS
from saccade.errors import ConfigError
from saccade.wire.convert import decode_chunk
from vla_node.node import VlaNode
from vla_node.params import PolicyParams, VlaParams
from vla_node.reasoners.openai import OpenAiReasoner
from vla_node.reasoners.params import ReasonerParams

CARD = """
name: slow-circle
protocol: stub
about: made for this test
rows: [[0.2, 0.1]]
actions:
  kind: velocity
  frame: body
  dt_s: 0.1
  horizon: 8
  parts:
    - {axes: [vx, wz], units: [m/s, rad/s], limits: [[-0.5, 0.5], [-1.0, 1.0]]}
"""


def params(**policy):
    plain = VlaParams()
    return replace(
        plain, planner=replace(plain.planner, worker="modelled"), policy=replace(plain.policy, **policy)
    )  # fmt: skip


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "slow-circle.yaml"
    path.write_text(CARD)
    return str(path)


def test_a_policy_named_by_its_card_drives(card):
    ear = drive(World(until_s=4.0, script=[told("go forward 3 m", 0.5)]), VlaNode(params(card=card, latency_s=0.2)))
    chunks = [chunk for _, chunk in ear.chunks() if chunk.plan_id]
    assert {chunk.axes for chunk in chunks} == {("vx", "wz")}
    assert chunks[-1].at(chunks[-1].t0_ns + 300 * MS) == pytest.approx([0.2, 0.1])


def test_a_card_that_is_not_there_names_those_that_are():
    with pytest.raises(ConfigError, match="openpi-droid"):
        VlaNode(params(card="openpi-drodi"))


def test_a_camera_that_the_robot_lacks_says_how_to_name_it():
    with pytest.raises(ConfigError, match=r"policy.cameras: \['front=left'\]"):
        VlaNode(params(card="velocity-http"))


def test_it_listens_to_the_cameras_of_its_policy_and_only_to_them():
    node = VlaNode(params(card="velocity-http", cameras=("front=wrist",)))
    assert {"wrist/image_raw", "joint_states"} <= node.reads
    assert "wrist/image_raw" not in VlaNode(params()).reads
    node.close()


@pytest.mark.parametrize("pair", ["front", "front=", "=left", "front=rear"])
def test_a_pair_of_cameras_is_checked(pair):
    with pytest.raises(ValueError, match="NAME=CAMERA"):
        PolicyParams(cameras=(pair,))


def test_a_reasoner_behind_a_server_is_opened_without_one():
    plain = params()
    remote = ReasonerParams(kind="openai", address="http://127.0.0.1:9", model="m", dialect="nav_r1")
    node = VlaNode(replace(plain, planner=replace(plain.planner, reasoner=remote)))
    assert isinstance(node._reasoner, OpenAiReasoner)
    node.close()


def test_a_server_that_is_not_there_is_a_standstill_with_the_reason():
    plain = params()
    remote = ReasonerParams(kind="openai", address="http://127.0.0.1:9", model="m", dialect="nav_r1", retries=0)
    node = VlaNode(replace(plain, planner=replace(plain.planner, reasoner=remote)))
    ear = drive(World(until_s=2.0, script=[told("find the exit", 0.5)]), node)
    assert all("127.0.0.1:9" in plan.text for plan in ear.plans())
    assert ear.plans()
    assert not any(decode_chunk(s.cdr).actions.any() for s in ear.samples if s.topic == "chunk")
