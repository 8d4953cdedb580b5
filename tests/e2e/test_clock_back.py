"""A clock that is set back, as by NTP or by a simulator that begins anew: no node may wait until it has caught up."""

import pytest

from bridge_node.bridges import bridge_of
from bridge_node.params import BridgeParams, JointsParams
from saccade.cli.record import Meter
from saccade.cli.session import make_nodes
from saccade.clock import SEC
from saccade.wire.record import Recorder

NOW = 10**18


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    arm = BridgeParams("ros2_control", ros2_control=JointsParams(arm=("a",)))
    return [
        *make_nodes("hall", "all", "visual"),
        *make_nodes("hall", "map")[-1:],
        bridge_of(BridgeParams("px4")),
        bridge_of(arm),
        Recorder(tmp_path_factory.mktemp("back") / "run.mcap", ["odom"]),
        Meter("run.mcap", ["odom"], None),
    ]


def test_every_node_goes_on_within_its_period(nodes):
    for node in nodes:
        period_ns = node.next_ns(NOW) - NOW
        assert 0 < period_ns <= SEC, node.name
        assert 0 < node.next_ns(NOW - 3600 * SEC) - (NOW - 3600 * SEC) <= SEC, node.name
    assert {node.name for node in nodes} >= {"perception_node", "odometry_node", "map_node", "vla_node", "safety_node"}
    for node in nodes:
        list(node.close())
