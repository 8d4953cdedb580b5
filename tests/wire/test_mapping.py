"""Topics of a recording become canonical ones: as drivers name them, or as a mapping file says; faults are named."""

import pytest

from saccade.errors import ConfigError, DataError
from saccade.wire.mapping import MappingFile, choose, read_mapping_file
from saccade.wire.reader import BagTopic

TYPES = {
    "I": "sensor_msgs/msg/Image", "C": "sensor_msgs/msg/CompressedImage", "CI": "sensor_msgs/msg/CameraInfo",
    "O": "nav_msgs/msg/Odometry", "P": "geometry_msgs/msg/PoseStamped", "IMU": "sensor_msgs/msg/Imu",
    "S": "std_msgs/msg/String", "TF": "tf2_msgs/msg/TFMessage", "V": "saccade_msgs/msg/Verdict",
    "B": "std_msgs/msg/Bool",
}  # fmt: skip


def bag(text, count=10):
    """Topics written as `I /a/b`, one a line."""
    pairs = (line.split() for line in text.strip().splitlines())
    return [BagTopic(name, TYPES[kind], count) for kind, name in pairs]


def chosen(text, **file):
    problems = []
    mapping = choose(bag(text), MappingFile(**file), problems)
    return {name: b.topic for name, b in mapping.topics.items()}, problems


REALSENSE = """
I /camera/infra1/image_rect_raw
I /camera/infra2/image_rect_raw
CI /camera/infra1/camera_info
CI /camera/infra2/camera_info
I /camera/depth/image_rect_raw
CI /camera/depth/camera_info
I /camera/color/image_raw
CI /camera/color/camera_info
I /camera/aligned_depth_to_color/image_raw
CI /camera/aligned_depth_to_color/camera_info
"""
ZED = """
C /zed/zed_node/left/image_rect_color/compressed
C /zed/zed_node/right/image_rect_color/compressed
CI /zed/zed_node/left/camera_info
CI /zed/zed_node/right/camera_info
I /zed/zed_node/confidence/confidence_map
O /zed/zed_node/odom
IMU /zed/zed_node/imu/data
"""


@pytest.mark.parametrize(
    ("topics", "wanted"),
    [
        (
            REALSENSE,
            {
                "left/image_rect": "/camera/infra1/image_rect_raw",
                "right/image_rect": "/camera/infra2/image_rect_raw",
                "left/camera_info": "/camera/infra1/camera_info",
                "right/camera_info": "/camera/infra2/camera_info",
                "rgbd/color/image_rect": "/camera/color/image_raw",
                "rgbd/depth/image_rect": "/camera/aligned_depth_to_color/image_raw",
                "rgbd/depth/camera_info": "/camera/aligned_depth_to_color/camera_info",
            },
        ),
        (
            ZED,
            {
                "left/image_rect/compressed": "/zed/zed_node/left/image_rect_color/compressed",
                "right/image_rect/compressed": "/zed/zed_node/right/image_rect_color/compressed",
                "left/camera_info": "/zed/zed_node/left/camera_info",
                "right/camera_info": "/zed/zed_node/right/camera_info",
                "odom": "/zed/zed_node/odom",
                "imu": "/zed/zed_node/imu/data",
            },
        ),
        (
            "I /cam0/image_raw\nI /cam1/image_raw\nIMU /imu0",
            {"left/image_raw": "/cam0/image_raw", "right/image_raw": "/cam1/image_raw", "imu": "/imu0"},
        ),
        (
            "I /kitti/camera_gray_left/image_raw\nI /kitti/camera_gray_right/image_raw\n"
            "CI /kitti/camera_gray_left/camera_info\nCI /kitti/camera_gray_right/camera_info",
            {
                "left/image_raw": "/kitti/camera_gray_left/image_raw",
                "right/image_raw": "/kitti/camera_gray_right/image_raw",
                "left/camera_info": "/kitti/camera_gray_left/camera_info",
                "right/camera_info": "/kitti/camera_gray_right/camera_info",
            },
        ),
        (
            "I /camera/rgb/image_color\nI /camera/depth/image\nCI /camera/rgb/camera_info\n"
            "CI /camera/depth/camera_info\nO /odom\nO /ground_truth/odom\nTF /tf\nTF /tf_static",
            {
                "rgbd/color/image_rect": "/camera/rgb/image_color",
                "rgbd/depth/image_rect": "/camera/depth/image",
                "rgbd/depth/camera_info": "/camera/depth/camera_info",
                "odom": "/odom",
                "tf": "/tf",
                "tf_static": "/tf_static",
            },
        ),
        (
            "C /c/color/image_raw/compressed\nC /c/depth/image_raw/compressedDepth\nI /c/depth/image_raw\n"
            "CI /c/color/camera_info",
            {
                "rgbd/color/image_rect/compressed": "/c/color/image_raw/compressed",
                "rgbd/depth/image_rect": "/c/depth/image_raw",
                "rgbd/depth/camera_info": "/c/color/camera_info",
            },
        ),
        (
            "C /raspicam_node/image/compressed\nCI /raspicam_node/camera_info\nS /vla/instruction\nB /estop",
            {
                "left/image_raw/compressed": "/raspicam_node/image/compressed",
                "left/camera_info": "/raspicam_node/camera_info",
                "instruction": "/vla/instruction",
                "operator_stop": "/estop",
            },
        ),
        (
            "I /left/image_raw\nI /left/image_rect\nI /right/image_raw\nI /right/image_rect\nI /left/image_mask",
            {"left/image_rect": "/left/image_rect", "right/image_rect": "/right/image_rect"},
        ),
        (
            "I /left/image_raw\nI /right/image_raw\nC /left/image_rect/compressed\nC /right/image_rect/compressed\n"
            "I /left/image_rect_mask\nI /right/image_rect_mask",
            {
                "left/image_rect/compressed": "/left/image_rect/compressed",
                "right/image_rect/compressed": "/right/image_rect/compressed",
            },
        ),
        (
            "I /odom_left/image\nO /odometry/filtered\nO /wheel/odom",
            {"left/image_raw": "/odom_left/image", "odom": "/odometry/filtered"},
        ),
    ],
)
def test_names_that_drivers_give(topics, wanted):
    assert chosen(topics)[0] == wanted


def test_empty_topics_are_passed_over():
    found = [
        *bag("I /left/image_rect\nI /right/image_rect", count=0),
        *bag("I /a/left/image_raw\nI /a/right/image_raw"),
    ]
    topics = choose(found, MappingFile(), []).topics
    assert set(topics) == {"left/image_raw", "right/image_raw"}


def test_a_recording_by_saccade_is_taken_by_name_without_what_nodes_sent():
    topics = "V /verdict\nI /depth/image_rect\nI /left/image_raw\nI /right/image_raw\nO /odom\nS /instruction"
    assert set(chosen(topics)[0]) == {"left/image_raw", "right/image_raw", "odom", "instruction"}


def test_a_mapping_file_decides_alone_even_for_a_swapped_pair():
    topics = {"left/image_rect": "/right/image_rect", "right/image_rect": "left/image_rect"}
    got, problems = chosen("I /left/image_rect\nI /right/image_rect\nO /odom", topics=topics)
    assert got == {"left/image_rect": "/right/image_rect", "right/image_rect": "/left/image_rect"}
    assert any("no nav_msgs/msg/Odometry" in p for p in problems)


def test_what_is_missing_or_wrong_is_a_sentence():
    got, problems = chosen("I /left/image_rect\nP /odom")
    assert got == {"left/image_rect": "/left/image_rect"}
    text = "\n".join(problems)
    assert "/odom is a geometry_msgs/msg/PoseStamped, but odom must be a nav_msgs/msg/Odometry" in text
    assert "only the left camera" in text
    assert "left has no sensor_msgs/msg/CameraInfo" in text
    assert "the gate will hold the robot" in text
    assert all(p[0].isupper() or p[0] in "/l" for p in problems)
    assert all(p.endswith(".") for p in problems)


def test_a_mapping_file_that_does_not_fit_is_a_problem():
    file = {"left/image_rect": "/left/imge", "odom": "/pose", "imu": "/imu"}
    got, problems = chosen("I /left/image\nP /pose\nIMU /imu", topics=file)
    assert got == {"imu": "/imu"}
    assert "/left/imge as left/image_rect; the recording has no such topic: did you mean '/left/image'?" in problems[0]
    assert "/pose is a geometry_msgs/msg/PoseStamped, but odom must be" in problems[1]


def test_another_definition_of_a_type_is_named():
    found = [BagTopic("/odom", TYPES["O"], 5, "RIHS01_00"), *bag("I /left/image_rect")]
    problems = []
    choose(found, MappingFile(), problems)
    assert any("/odom was recorded with another definition of nav_msgs/msg/Odometry" in p for p in problems)


def test_nothing_usable_lists_what_there_is_and_how_to_map():
    with pytest.raises(DataError) as error:
        chosen("S /chatter\nTF /tf\nP /pose")
    text = str(error.value)
    assert "/chatter (std_msgs/msg/String, 10)" in text
    assert "topics:\n    left/image_rect: /my_camera/left/image" in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("topics: {left/imge_rect: /a}", "did you mean 'left/image_rect'"),
        ("topic: {odom: /a}", "unknown parameter 'topic'; did you mean 'topics'"),
        ("camera_height_m: high", "camera_height_m is 'high'"),
        ("- odom", "is a list; expected keys and values"),
        ("{", "is not YAML"),
    ],
)
def test_a_wrong_mapping_file_is_named(tmp_path, text, reason):
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_mapping_file(path)
    assert reason in str(error.value)


def test_a_mapping_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read mapping file"):
        read_mapping_file(tmp_path / "none.yaml")


def test_the_choice_prints_as_a_table():
    mapping = choose(bag("I /cam0/image_raw\nI /cam1/image_raw"), MappingFile(), [])
    mapping.assumptions.append("the sky is up")
    assert str(mapping).splitlines() == [
        "left/image_raw  <- /cam0/image_raw (sensor_msgs/msg/Image, 10)",
        "right/image_raw <- /cam1/image_raw (sensor_msgs/msg/Image, 10)",
        "assumed: the sky is up",
    ]
