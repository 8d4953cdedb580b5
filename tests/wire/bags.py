"""Writes small recordings for tests, with rosbags: every storage, compression and ROS 1."""

import numpy as np
import yaml
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_typestore

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.types import CameraModel, Image, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import encode_camera, encode_odom, encode_transforms
from saccade.wire.images import encode_image
from saccade.wire.reader import Record

T0 = 1_700_000_000 * SEC
IMAGE, INFO, ODOM = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo", "nav_msgs/msg/Odometry"
TYPES = {
    "/cam/left/image_rect": IMAGE, "/cam/right/image_rect": IMAGE, "/cam/left/camera_info": INFO,
    "/cam/right/camera_info": INFO, "/robot/odom": ODOM, "/tf_static": "tf2_msgs/msg/TFMessage",
}  # fmt: skip
MOUNT = SE3.from_rpy(-np.pi / 2, 0.0, -np.pi / 2, (0.1, 0.06, 0.35))


def scene(frames=10, frame_id="left_optical"):
    """A stereo robot that drives ahead at 1 m/s: records in order, 10 Hz, with fixed transforms at the start."""
    links = [("base_link", "left_optical", MOUNT), ("base_link", "right_optical", MOUNT)]
    camera = CameraModel(frame_id, 16, 12, "plumb_bob", np.zeros(5), np.eye(3), np.eye(3), np.eye(3, 4))
    out = [Record("/tf_static", T0, bytes(encode_transforms(T0, links)))]
    for i in range(frames):
        t = T0 + i * 100 * MS
        for side in ("left", "right"):
            picture = Image(t, f"{side}_optical", np.full((12, 16), i, np.uint8))
            out.append(Record(f"/cam/{side}/image_rect", t, bytes(encode_image(picture))))
            out.append(Record(f"/cam/{side}/camera_info", t, bytes(encode_camera(t, camera))))
        state = RobotState(t, "odom", SE3(np.eye(3), np.array([0.1 * i, 0.0, 0.0])), np.array([1.0, 0, 0, 0, 0, 0]))
        out.append(Record("/robot/odom", t + MS, bytes(encode_odom(state))))
    return out


def write_ros2(path, records, storage="mcap", mode="none", types=None):
    """A rosbag2 directory; mode: none, file, message or storage (compressed chunks)."""
    types = types or TYPES
    plugin = {"mcap": rosbag2.StoragePlugin.MCAP, "sqlite3": rosbag2.StoragePlugin.SQLITE3}[storage]
    writer = rosbag2.Writer(path, version=9, storage_plugin=plugin)
    writer.set_compression(rosbag2.CompressionMode[mode.upper()], rosbag2.CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(topic, types[topic], typestore=codec()._store)
            for topic in dict.fromkeys(r.topic for r in records)
        }
        for topic, stamp, cdr in records:
            writer.write(connections[topic], stamp, cdr)
    return path


def write_split(path, records):
    """A rosbag2 directory of two MCAP files, as `ros2 bag record --max-bag-duration` leaves it."""
    half = len(records) // 2
    parts = [write_ros2(path.with_name(f"part{i}"), part) for i, part in enumerate((records[:half], records[half:]))]
    path.mkdir()
    metas = []
    for i, part in enumerate(parts):
        (part / f"part{i}.mcap").rename(path / f"split_{i}.mcap")
        metas.append(yaml.safe_load((part / "metadata.yaml").read_text())["rosbag2_bagfile_information"])
    meta, counts = metas[0], {}
    for entry in (e for m in metas for e in m["topics_with_message_count"]):
        name = entry["topic_metadata"]["name"]
        counts[name] = {**entry, "message_count": counts.get(name, {}).get("message_count", 0) + entry["message_count"]}
    meta["topics_with_message_count"] = list(counts.values())
    meta["relative_file_paths"] = ["split_0.mcap", "split_1.mcap"]
    meta["message_count"] = sum(m["message_count"] for m in metas)
    meta["duration"]["nanoseconds"] = records[-1].stamp_ns - records[0].stamp_ns
    (path / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": meta}))
    return path


def write_ros1(path, records, compression=None):
    """A ROS 1 bag of the same messages."""
    store = get_typestore(Stores.ROS1_NOETIC)
    store.register({TYPES["/tf_static"]: codec()._store.fielddefs[TYPES["/tf_static"]]})
    writer = rosbag1.Writer(path)
    if compression:
        writer.set_compression(rosbag1.Writer.CompressionFormat[compression.upper()])
    with writer:
        connections = {
            topic: writer.add_connection(topic, TYPES[topic], typestore=store)
            for topic in dict.fromkeys(r.topic for r in records)
        }
        for topic, stamp, cdr in records:
            writer.write(connections[topic], stamp, codec()._store.cdr_to_ros1(cdr, TYPES[topic]))
    return path
