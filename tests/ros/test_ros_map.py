"""What the map sends, read by ROS's own code: the mesh's corners are written into the bytes of a marker by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from rclpy.serialization import deserialize_message
from visualization_msgs.msg import Marker

from map_node.messages import encode_mesh
from map_node.volume.mesh import Mesh

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("frame", ["odom", "od", "o" * 7])
@pytest.mark.parametrize("triangles", [1, 2, 501])
def test_ros_reads_every_corner_and_what_comes_after(triangles: int, frame: str) -> None:
    rng = np.random.default_rng(triangles)
    vertices = rng.normal(size=(triangles + 2, 3)).astype(np.float32)
    corners = rng.integers(0, len(vertices), (triangles, 3)).astype(np.int32)
    rgb = rng.integers(0, 256, (len(vertices), 3), np.uint8)
    marker = deserialize_message(
        bytes(encode_mesh(1_700_000_000_123_456_789, frame, Mesh(vertices, rgb, corners))), Marker
    )
    assert (marker.type, marker.action, marker.ns) == (Marker.TRIANGLE_LIST, Marker.ADD, "map")
    assert (marker.header.frame_id, marker.header.stamp.sec, marker.header.stamp.nanosec) == (
        frame,
        1_700_000_000,
        123_456_789,
    )
    assert (marker.scale.x, marker.pose.orientation.w, marker.text, marker.mesh_resource) == (1.0, 1.0, "", "")
    assert not marker.mesh_use_embedded_materials
    told = np.array([(p.x, p.y, p.z) for p in marker.points], np.float32)
    assert (told == vertices[corners.reshape(-1)]).all()
    colours = np.array([(c.r, c.g, c.b, c.a) for c in marker.colors])
    np.testing.assert_allclose(colours[:, :3] * 255, rgb[corners.reshape(-1)], atol=1e-4)
    assert (colours[:, 3] == 1).all()


def test_an_empty_mesh_takes_the_one_before_away() -> None:
    nothing = Mesh(np.empty((0, 3), np.float32), np.empty((0, 3), np.uint8), np.empty((0, 3), np.int32))
    marker = deserialize_message(bytes(encode_mesh(0, "odom", nothing)), Marker)
    assert (marker.action, len(marker.points)) == (Marker.DELETE, 0)
