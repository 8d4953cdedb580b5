"""`saccade doctor --topics` on recordings: nothing to say of a good one, and each fault by its name, with a remedy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from topic_scenes import BASELINE_M, FINE, FX, OPTICAL, T0, Scene

from saccade.cli import FAILED, OK, USAGE, main
from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.topics import check_topics
from saccade.clock import MS, SEC
from saccade.geometry import SE3

HALL = "hall"


def judged(scene: Scene, tmp_path: Path, robot: str = HALL) -> list[Finding]:
    return check_topics(robot, f"bag:{scene.write(tmp_path / 'bag')}")


def faults(findings: list[Finding]) -> list[Finding]:
    return [f for f in findings if f.grade is not Grade.OK]


def test_of_a_good_recording_there_is_nothing_to_mend(tmp_path: Path) -> None:
    findings = judged(FINE, tmp_path)
    assert faults(findings) == []
    found = {f.what: f.found for f in findings}
    assert set(found) == {f"{s}/{k}" for s in ("left", "right") for k in ("image_rect", "camera_info")} | {
        "odom",
        "tf_static",
    }
    assert found["odom"].startswith("50.0 of 50 Hz, 0 ms")
    assert found["left/image_rect"].startswith("30.0 of 30 Hz")
    assert found["tf_static"] == "1 message(s)"


def simulated(name: str, t: int) -> int:
    return t - T0 + SEC if name == "odom" else t


def standing(name: str, t: int) -> int:
    return T0 if name == "odom" else t


def jumping(name: str, t: int) -> int:
    return t - (30 * MS if name == "odom" and (t // MS) % 3 == 0 else 0)


BODY = SE3(np.eye(3), OPTICAL.t)
FAULTS = {
    "missing": (FINE.with_(leave_out=("odom",)), "odom", Grade.ERROR, "missing: nobody sends odom", "start what"),
    "a camera missing": (
        FINE.with_(leave_out=("right/image_rect",)),
        "right/image_rect",
        Grade.ERROR,
        "nor right/image_rect/compressed",
        "start",
    ),
    "another name": (
        FINE.with_(names={"odom": "wheel/odom"}),
        "odom",
        Grade.ERROR,
        "missing",
        "did you mean /wheel/odom? In the robot's file: topics: {odom: /wheel/odom}",
    ),
    "a name that says nothing": (
        FINE.with_(names={"left/camera_info": "foo", "right/camera_info": "bar"}),
        "left/camera_info",
        Grade.ERROR,
        "missing",
        "did you mean /bar; of its type there are also /foo? In the robot's file: topics: {left/camera_info: /bar}",
    ),
    "other cameras' names": (
        FINE.with_(names={f"{side}/image_rect": f"zed/{side}/image_rect_gray" for side in ("left", "right")}),
        "left/image_rect",
        Grade.ERROR,
        "missing",
        "{left/image_rect: /zed/left/image_rect_gray}",
    ),
    "another type": (
        FINE.with_(types={"odom": "geometry_msgs/msg/PoseStamped"}),
        "odom",
        Grade.ERROR,
        "wrongly typed: odom is sent as geometry_msgs/msg/PoseStamped, not nav_msgs/msg/Odometry",
        "have it sent as",
    ),
    "corrupt": (FINE.with_(corrupt="odom"), "odom", Grade.ERROR, "corrupt: ", "another ROS"),
    "slow": (FINE.with_(rates={"odom": 7.0}), "odom", Grade.WARN, "too slow: 7.0 Hz, expected 50", "raise the rate"),
    "very slow": (
        FINE.with_(rates={"odom": 4.0}),
        "odom",
        Grade.ERROR,
        "too slow: 4.0 Hz, expected 50",
        "raise the rate",
    ),
    "zero stamps": (
        FINE.with_(stamp=lambda name, t: 0 if name == "odom" else t),
        "odom",
        Grade.ERROR,
        "stamps are zero",
        "header.stamp",
    ),
    "frozen stamps": (FINE.with_(stamp=standing), "odom", Grade.ERROR, "frozen: 100%", "restart its driver"),
    "simulated time": (FINE.with_(stamp=simulated), "odom", Grade.ERROR, "simulated time", "use_sim_time:=true"),
    "late": (
        FINE.with_(late_ns={"odom": 700 * MS}),
        "odom",
        Grade.ERROR,
        "late: 0.700 s old",
        "synchronise the clocks",
    ),
    "from the future": (
        FINE.with_(late_ns={"odom": -3 * SEC}),
        "odom",
        Grade.ERROR,
        "from the future: stamps are 3.000 s ahead",
        "chrony",
    ),
    "out of order": (FINE.with_(stamp=jumping), "odom", Grade.WARN, "out of order", "two senders"),
    "unsynchronised": (
        FINE.with_(late_ns={"right/image_rect": 12 * MS}),
        "right/image_rect",
        Grade.ERROR,
        "unsynchronised: 100% of the left pictures and the nearest right ones are apart by 12.0 ms",
        "trigger the cameras",
    ),
    "a frame of the body": (
        FINE.with_(mount=BODY),
        "left/image_rect",
        Grade.ERROR,
        "wrongly framed: the pictures are of frame 'left_optical', whose z axis points up",
        "expected an optical frame",
    ),
    "a frame that nothing ties": (
        FINE.with_(frame="cam0", info_frame="cam0"),
        "left/image_rect",
        Grade.ERROR,
        "not connected: the pictures are of frame 'cam0'",
        "expected its place on the robot on tf_static",
    ),
    "a tree of its own": (
        FINE.with_(parent="camera_link"),
        "left/image_rect",
        Grade.ERROR,
        "not connected",
        "below 'camera_link'",
    ),
    "frames that differ": (
        FINE.with_(info_frame="left_link"),
        "left/image_rect",
        Grade.WARN,
        "camera_info of 'left_link'",
        "optical frame",
    ),
    "no baseline": (
        FINE.with_(tx=0.0),
        "right/camera_info",
        Grade.ERROR,
        "P[0, 3] gives no baseline",
        "expected -fx B",
    ),
    "a baseline of the wrong sign": (
        FINE.with_(tx=FX * BASELINE_M),
        "left/camera_info",
        Grade.ERROR,
        "the baseline is -0.100 m",
        "swapped",
    ),
    "a baseline in millimetres": (
        FINE.with_(tx=-FX * 100.0),
        "left/camera_info",
        Grade.ERROR,
        "the baseline is 100 m",
        "in metres",
    ),
    "another size": (
        FINE.with_(info_size=(64, 48)),
        "left/image_rect",
        Grade.ERROR,
        "left/image_rect is 32x24, left/camera_info says 64x48",
        "another camera mode",
    ),
    "an encoding nobody knows": (
        FINE.with_(encoding="yuv88"),
        "left/image_rect",
        Grade.ERROR,
        "yuv88",
        "",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_with_a_remedy(fault: str, tmp_path: Path) -> None:
    scene, what, grade, found, advice = FAULTS[fault]
    told = [f for f in faults(judged(scene, tmp_path)) if found in f.found]
    assert [(f.what, f.grade) for f in told][:1] == [(what, grade)]
    assert advice in told[0].advice
    assert all(f.advice and "\n" not in f.advice + f.found for f in told)


@pytest.mark.parametrize("fault", ["missing", "slow", "late", "no baseline", "unsynchronised", "a frame of the body"])
def test_a_fault_is_told_once_and_nothing_else_is(fault: str, tmp_path: Path) -> None:
    assert len(faults(judged(FAULTS[fault][0], tmp_path))) == 1


def test_a_cameras_place_is_judged_without_odometry_too(tmp_path: Path) -> None:
    told = faults(judged(FINE.with_(mount=BODY, leave_out=("odom",)), tmp_path))
    assert [f.what for f in told] == ["odom", "left/image_rect"]
    assert told[1].found.startswith("wrongly framed")


def test_pictures_a_frame_apart_are_paired_with_their_nearest(tmp_path: Path) -> None:
    assert faults(judged(FINE.with_(late_ns={"right/image_rect": 4 * MS}), tmp_path)) == []  # within sync.tolerance_ms


def robot_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_the_robots_own_names_are_looked_for(tmp_path: Path) -> None:
    scene = FINE.with_(names={"odom": "wheel/odom"})
    mine = robot_file(tmp_path, "topics: {ros__parameters: {odom: /wheel/odom}}\n")
    assert faults(judged(scene, tmp_path, mine)) == []


def test_what_our_nodes_send_is_no_camera(tmp_path: Path) -> None:
    """Perception runs beside: its depth image is not the robot's, though it is called like one."""
    ours = {"right/image_rect": "depth/image_rect"}
    (told,) = faults(judged(FINE.with_(names=ours), tmp_path))
    assert told.what == "right/image_rect"
    assert "depth/image_rect" not in told.advice


def test_an_rgbd_camera_by_other_names_is_asked_for_as_such(tmp_path: Path) -> None:
    names = {"left/image_rect": "camera/depth/image_rect", "left/camera_info": "camera/depth/camera_info"}
    told = faults(judged(FINE.with_(names=names, leave_out=("right/image_rect", "right/camera_info")), tmp_path))
    assert "{rgbd/depth/image_rect: /camera/depth/image_rect}" in told[0].advice
    assert "{rgbd/depth/camera_info: /camera/depth/camera_info}" in told[1].advice
    assert not [finding for finding in told if finding.what.startswith(("left/", "right/"))]


def test_what_a_robot_does_not_need_is_not_asked_of_it(tmp_path: Path) -> None:
    bench = "/**/safety_node: {ros__parameters: {required: {chunk: 0.3}}}\n"
    blind = FINE.with_(leave_out=("odom", "right/image_rect"))
    assert {f.grade for f in faults(judged(blind, tmp_path, robot_file(tmp_path, bench)))} == {Grade.WARN}
    flown = {f.grade for f in check_topics("uav", f"bag:{tmp_path / 'bag'}") if f.what.startswith("right/image")}
    assert flown == {Grade.ERROR}


def test_a_robot_with_visual_odometry_need_not_send_its_own(tmp_path: Path) -> None:
    mine = robot_file(tmp_path, "/**/odometry_node: {ros__parameters: {engine: sgbm}}\n")
    assert faults(judged(FINE.with_(leave_out=("odom",)), tmp_path, mine)) == []


def test_an_arm_and_a_bridge_need_other_things(tmp_path: Path) -> None:
    path = FINE.write(tmp_path / "bag")
    arm = {f.what: f.grade for f in check_topics("arm", f"bag:{path}")}
    assert arm["joint_states"] is Grade.ERROR
    assert "odom" not in arm
    dog = {f.what: f.grade for f in check_topics("go2_dds", f"bag:{path}")}
    assert dog["sportmodestate"] is dog["rgbd/depth/image_rect"] is Grade.ERROR
    assert "left/image_rect" not in dog


def test_the_exit_code_tells_and_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, slow = FINE.write(tmp_path / "good"), FAULTS["slow"][0].write(tmp_path / "slow")
    assert main(["doctor", "--topics", "--bus", f"bag:{good}", "--json"]) == OK
    assert {f["grade"] for f in json.loads(capsys.readouterr().out)} == {"OK"}
    assert main(["doctor", "--topics", "--bus", f"bag:{slow}"]) == OK
    assert main(["doctor", "--topics", "--strict", "--bus", f"bag:{slow}", "--seconds", "1"]) == FAILED
    assert main(["doctor", "--topics", "--bus", f"bag:{FAULTS['late'][0].write(tmp_path / 'late')}"]) == FAILED
    assert "synchronise the clocks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--robot", "halll"], "did you mean 'hall'"), (["--bus", "bag:/nowhere"], "no recording at"),
        (["--bus", "dsd:0"], "did you mean 'dds'"), (["--seconds", "0"], "expected more than 0"),
        (["--bus", "dds:999"], "not a number from 0"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_told(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--topics", *arguments]) == USAGE
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_a_world_of_ours_has_all_that_its_robot_needs() -> None:
    findings = check_topics("hall", "sim:hall?seed=3", 0.5)
    assert faults(findings) == []
    assert len(findings) == 6


@pytest.mark.slow
def test_further_rigs_are_looked_for_and_a_robot_may_move_without_them() -> None:
    assert faults(check_topics("yard", "sim:yard?seed=3", 0.5)) == []
    missing = faults(check_topics("yard", "sim:yard?seed=3&flanks=0", 0.5))
    assert {f.what.partition("/")[0] for f in missing} == {"side_left", "side_right"}
    assert {f.grade for f in missing} == {Grade.WARN}
