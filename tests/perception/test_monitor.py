"""What the pictures tell about the rig, on made and on real pairs."""

import math
from threading import Event

import cv2
import numpy as np
import pytest
from perception_scenes import wall_pair

from perception_node import monitor
from perception_node.monitor import PairMonitor, Rows
from perception_node.params import MonitorParams, PerceptionParams
from saccade.clock import MS, SEC
from saccade.errors import ConfigError
from saccade.params import build

FRAME_NS = 100 * MS


def scene(seed=0, height=240, width=400, disparity=9):
    """A pair with corners at many scales, as features need them."""
    rng = np.random.default_rng(seed)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (height, width + disparity), np.uint8), (0, 0), 1.5)
    for _ in range(150):
        x, y, size, grey = rng.integers((0, 0, 6, 0), (width, height, 40, 255)).tolist()
        cv2.rectangle(picture, (x, y), (x + size, y + size // 2), grey, -1)
    return picture[:, :-disparity].copy(), picture[:, disparity:].copy()


def look(left, right, **kwargs):
    return PairMonitor(MonitorParams()).check(SEC, left, right, kwargs.get("zero", 0.0), moving=False)


def test_a_good_pair_has_no_fault():
    assert look(*scene()) is None
    assert look(*wall_pair()) is None
    left, right = scene()
    assert look(cv2.cvtColor(left, cv2.COLOR_GRAY2RGB), cv2.cvtColor(right, cv2.COLOR_GRAY2RGB)) is None


@pytest.mark.parametrize("offset", [-12, -3, -2, 2, 3, 12])
def test_rows_that_disagree_are_measured(offset):
    left, right = scene()
    fault = look(left, np.roll(right, offset, axis=0))
    assert fault.name == "rows disagree"
    assert abs(float(fault.text.split()[2]) - offset) < 0.7  # "right lies +3.0 px below left"


def test_a_pixel_of_offset_is_let_pass():
    left, right = scene()
    assert look(left, np.roll(right, 1, axis=0)) is None


def test_swapped_cameras_are_named():
    left, right = scene()
    assert look(right, left).name == "cameras swapped"


def test_a_few_matches_in_line_do_not_name_swapped_cameras(monkeypatch):
    """Rows as a repeated pattern gives them: hardly any match is right, and the few in line prove nothing."""
    dy = np.where(np.arange(40) < 3, 0.0, np.resize([-60.0, 35.0, 90.0, -15.0], 40))
    rows = Rows(np.random.default_rng(1).uniform(0, 1, (40, 2)), dy, np.full(40, 12.0))
    monkeypatch.setattr(monitor, "_matches", lambda *_: rows)
    assert look(*scene()) is None
    monkeypatch.setattr(monitor, "_matches", lambda *_: rows._replace(dy=np.zeros(40)))
    assert look(*scene()).name == "cameras swapped"


def test_what_is_infinitely_far_may_have_any_disparity():
    """A converged rig: all disparities are negative, and right; cx_left - cx_right says so."""
    left, right = scene()
    assert look(right, left, zero=-30.0) is None
    assert look(left, right, zero=30.0).name == "cameras swapped"


@pytest.mark.parametrize(("grey", "name"), [(0, "blank"), (128, "blank"), (255, "over-exposed")])
@pytest.mark.parametrize("side", [0, 1])
def test_a_blank_or_white_picture_names_its_side(grey, name, side):
    pair = list(scene())
    pair[side] = np.full_like(pair[side], grey)
    fault = look(*pair)
    assert fault.name == name
    assert fault.text.startswith(("left", "right")[side])


def test_a_tint_is_no_contrast():
    """A covered lens shows one colour, and open water does: as blank as one grey."""
    left, right = (cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) for picture in scene())
    assert look(left, right) is None
    covered = np.random.default_rng(0).normal((40, 12, 8), 1.0, left.shape).round().clip(0, 255).astype(np.uint8)
    fault = look(covered, right)
    assert (fault.name, fault.side) == ("blank", "left")
    lively = covered.copy()
    lively[..., 2] = left[..., 2] // 8
    assert look(lively, right) is None


def test_both_cameras_are_named_where_both_are_blank():
    fault = look(np.full((240, 400), 5, np.uint8), np.full((240, 400), 9, np.uint8))
    assert (fault.name, fault.side) == ("blank", "")
    assert "left is blank: grey values 5" in fault.text
    assert "right is blank: grey values 9" in fault.text


def test_a_picture_that_is_half_white_is_not_over_exposed():
    left, right = scene()
    left[:120] = right[:120] = 255
    assert look(left, right) is None


@pytest.mark.parametrize("side", [0, 1])
def test_pictures_that_stand_still_while_the_robot_moves(side):
    monitor = PairMonitor(MonitorParams(frozen_frames=3))
    still, faults = scene()[side], []
    for i in range(6):
        pair = list(scene(seed=i))
        pair[side] = still
        faults.append(monitor.check(SEC + i * FRAME_NS, *pair, 0.0, moving=True))
    assert all(fault is None or fault.name != "frozen pictures" for fault in faults[:2])
    assert {fault.name for fault in faults[2:]} == {"frozen pictures"}
    assert ("left", "right")[side] in faults[-1].text
    assert [int(fault.text.split(" frames")[0].split()[-1]) for fault in faults[2:]] == [3, 4, 5, 6]


def test_pictures_may_stand_still_with_the_robot():
    monitor = PairMonitor(MonitorParams(frozen_frames=3))
    assert all(monitor.check(SEC + i * FRAME_NS, *scene(), 0.0, moving=False) is None for i in range(6))


def test_a_geometric_fault_stays_until_a_later_look():
    monitor = PairMonitor(MonitorParams(geometry_period_s=1.0))
    left, right = scene()
    bad = np.roll(right, 5, axis=0)
    names = []
    for i in range(22):
        shown = bad if i < 5 else right
        fault = monitor.check(SEC + i * FRAME_NS, left, shown, 0.0, moving=False)
        names.append(fault.name if fault else None)
    assert names == ["rows disagree"] * 10 + [None] * 12


def test_a_camera_that_is_knocked_is_named_within_a_period():
    left, right = scene()
    monitor, names = PairMonitor(MonitorParams(geometry_period_s=1.0)), []
    for i in range(20):
        shown = right if i < 9 else np.roll(right, 5, axis=0)
        fault = monitor.check(SEC + i * FRAME_NS, left, shown, 0.0, moving=False)
        names.append(fault.name if fault else None)
    monitor.close()
    assert names == [None] * 11 + ["rows disagree"] * 9  # looked at in frame 10, answered in frame 11


def test_matching_beside_the_frame_keeps_pictures_of_its_own():
    """The node's buffers change while the thread matches: what was handed over must not."""
    left, right = (picture.copy() for picture in scene())
    monitor = PairMonitor(MonitorParams())
    assert monitor.check(SEC, left, right, 0.0, moving=False) is None
    changed = Event()
    monitor._beside.submit(changed.wait)  # the thread begins to match only after the buffers have changed
    assert monitor.check(SEC + 10 * FRAME_NS, left, right, 0.0, moving=False) is None
    left[:], right[:] = np.roll(right, 5, axis=0), left.copy()
    changed.set()
    assert monitor.check(SEC + 11 * FRAME_NS, left, right, 0.0, moving=False) is None
    monitor.close()


def test_a_clock_set_back_does_not_stop_the_looks():
    monitor = PairMonitor(MonitorParams())
    left, right = scene()
    monitor.check(1000 * SEC, left, right, 0.0, moving=False)
    assert monitor.check(SEC, right, left, 0.0, moving=False) is None  # looked at beside the frame
    assert monitor.check(SEC + FRAME_NS, right, left, 0.0, moving=False).name == "cameras swapped"


def test_too_little_to_see_says_nothing_about_the_rig():
    ramp = np.tile(np.linspace(0, 200, 400).astype(np.uint8), (240, 1))
    assert look(ramp, np.roll(ramp, 30, axis=0)) is None


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (3, 4000)])
def test_a_picture_too_narrow_to_look_at_says_nothing_about_the_rig(shape):
    left = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert look(left, left) is None


def test_real_pairs_are_good_and_their_faults_are_seen(shared_data):
    folder = shared_data / "stereo" / "kitti2012"
    for name in sorted(path.name for path in (folder / "image_0").iterdir())[::6]:
        left, right = (cv2.imread(str(folder / side / name), cv2.IMREAD_GRAYSCALE) for side in ("image_0", "image_1"))
        assert look(left, right) is None
        assert look(right, left).name == "cameras swapped"
        assert look(left, np.roll(right, 4, axis=0)).name == "rows disagree"


@pytest.mark.parametrize(
    "values",
    [
        {"max_row_offset_px": 0.0},
        {"stale_ms": 0.0},
        {"min_matches": 0},
        {"frozen_frames": 1},
        {"geometry_period_s": -1.0},
    ],
    ids=str,
)
def test_parameters_that_would_judge_everything_or_nothing_are_refused(values):
    """A row offset of 0 ended the node at its first pair; no frozen frames made every picture frozen."""
    with pytest.raises(ValueError, match="monitor: expected"):
        MonitorParams(**values)
    with pytest.raises(ConfigError, match="monitor"):
        build(PerceptionParams, {"monitor": values})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("map.min_confidence", 256),
        ("sync.tolerance_ms", math.nan),
        ("depth.speck_m", -1.0),
        ("sight.unsharp", math.nan),
    ],
)
def test_parameters_out_of_their_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name.partition('.')[2]} is {value:g}; expected"):
        build(PerceptionParams, {name: value})
