"""The gate's clearance field: distances against brute force, what counts as free, and what is noticed at once."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_scenes import CAMERA, HZ_NS, box, looking, plane, render, union, volume

from map_node.field import UNIT_M, Field, FieldParams
from map_node.field_kernels import distances
from map_node.volume.base import VolumeParams
from map_node.volume.esdf import FREE, SURFACE, UNKNOWN, Esdf
from saccade.clearance import ClearanceField
from saccade.errors import ConfigError
from saccade.geometry import SE3
from saccade.types import Depth

ROOM = union(plane((0, 0, 1), 0.0), plane((-1, 0, 0), -1.5), plane((0, 0, -1), -2.0))
"""A floor, a wall 1.5 m ahead, a ceiling."""
WALL = plane((-1, 0, 0), -1.5)
EYE = (0.0, 0.0, 1.0)
CAMERA_SHAPE = (CAMERA.height, CAMERA.width)
PARAMS = FieldParams(size_m=(3.2, 2.8, 2.0), cell_voxels=1, start_m=EYE, blind_m=0.8, body_m=0.25, below_m=0.2)


@functools.cache
def picture(scene, at, to):
    return render(scene, looking(at, tuple(np.add(at, to)))).depth_m


def truth(field: ClearanceField, free: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Metres from points to the nearest cell that is not free, or to the outside, by looking at every cell."""
    blocked = np.argwhere(~np.pad(free.astype(bool), 1)) - 1
    low = np.array(field.origin_m) + blocked * field.resolution_m
    gap = np.maximum(np.maximum(low - points[:, None], points[:, None] - low - field.resolution_m), 0)
    return np.sqrt((gap**2).sum(-1)).min(1)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.tuples(*[st.integers(4, 9)] * 3), st.sampled_from([0.0, 0.002, 0.03, 0.4]))
def test_distances_are_those_of_brute_force(seed, shape, share):
    rng = np.random.default_rng(seed)
    free = (rng.random(shape) >= share).astype(np.uint8)
    made = Field(VolumeParams(voxel_m=0.1), PARAMS)
    squared, along, out = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16), np.empty(shape, np.uint8)
    distances(free, made._units, squared, along, out)
    field = ClearanceField(0, "odom", 0.1, (0.3, -0.2, 0.1), 1.0, UNIT_M, out)
    centres = (np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3) + 0.5) * 0.1
    at = np.floor(truth(field, free, centres + field.origin_m) / UNIT_M + 1e-6)
    np.testing.assert_array_equal(out.reshape(-1), np.minimum(at, 255))
    points = rng.uniform(0.05, np.array(shape) * 0.1 - 0.05, (40, 3)) + field.origin_m
    assert (field.clearance_at(points) <= truth(field, free, points) + 0.87 * 0.1).all()


def test_it_never_says_more_than_255():
    free, units = np.ones((64, 64, 64), np.uint8), Field(VolumeParams(), PARAMS)._units
    out = np.empty(free.shape, np.uint8)
    distances(free, units, *np.zeros((2, *free.shape), np.uint16), out)
    assert out[31, 31, 31] == min(int(31.5 * 0.05 / UNIT_M + 1e-6), 255)


class Robot:
    """Volume, distances and field of a robot whose camera is its centre."""

    def __init__(self, scene=ROOM, params=PARAMS, **changes) -> None:
        self.volume = volume(size_m=(6.4, 6.4, 4.0), **changes)
        self.esdf, self.scene, self.n = Esdf(self.volume, 0.5), scene, 0
        self.field = Field(self.volume.params, params)

    def look(self, at=EYE, to=(1.0, 0.0, 0.0), blind=False) -> ClearanceField:
        """One more picture, looking from `at` along `to`, or of nothing at all."""
        depth_m = np.full(CAMERA_SHAPE, np.nan, np.float32) if blind else picture(self.scene, at, to)
        return self.see(depth_m, 255, at, to)

    def see(self, depth_m, sure, at=EYE, to=(1.0, 0.0, 0.0)) -> ClearanceField:
        """One more picture, from `at` along `to`, all of it as `sure`."""
        self.n += 1
        T = looking(at, tuple(np.add(at, to)))
        depth = Depth(self.n * HZ_NS, "camera", depth_m, np.full(depth_m.shape, sure, np.uint8), CAMERA)
        self.esdf.update(self.volume.centre(at))
        self.esdf.update(self.volume.integrate(depth, T))
        return self.field.update(self.esdf, depth, T, SE3.from_rpy(0, 0, 0, at), "odom")


def at(field: ClearanceField, *point: float) -> float:
    return float(field.clearance_at(np.array([point]))[0])


def test_what_is_seen_is_free_as_far_as_it_was_seen():
    robot = Robot()
    for _ in range(2):
        field = robot.look()
    assert (field.stamp_ns, field.frame_id, field.memory_s) == (2 * HZ_NS, "odom", 120.0)
    assert field.clearance.shape == (64, 56, 40)
    points = np.random.default_rng(1).uniform((-1.5, -1.3, 0.05), (1.55, 1.3, 1.95), (2000, 3))
    said = field.clearance_at(points)
    assert (said <= np.maximum(ROOM(points), 0) + 0.05).all()
    assert 0.25 < at(field, 1.1, 0.0, 1.0) < 0.4
    assert at(field, 1.53, 0.0, 1.0) == 0.0
    assert at(field, -0.9, 0.0, 1.0) == at(field, 0.0, 1.0, 1.0) == at(field, 0.2, 0.0, 1.95) == 0.0


def test_the_start_is_vouched_for_but_not_the_ground_that_the_robot_stands_on():
    field = Robot(scene=WALL).look()
    assert at(field, 0.0, 0.0, 1.3) > 0.3
    for away in ((-0.75, 0, 0), (0, 0.75, 0), (0, -0.75, 0), (0, 0, 0.75)):
        assert at(field, *np.add(EYE, away)) > 0.0, away
        assert at(field, *np.add(EYE, np.multiply(away, 0.9 / 0.75))) == 0.0, away
    assert at(field, 0.0, 0.0, 0.95) > 0
    assert at(field, 0.0, 0.0, 0.77) == 0.0
    assert at(field, 0.4, 0.0, 0.77) == 0.0  # beside it neither


def test_nothing_is_vouched_for_a_second_time():
    """Backwards and sideways the start's room ends where it ended; a robot put elsewhere has no room at all."""
    robot = Robot()
    for n in range(5):
        field = robot.look(at=(-0.175 * n, 0.0, 1.0))
    assert at(field, -0.65, 0.0, 1.0) > 0
    assert at(field, -1.0, 0.0, 1.0) == 0  # where the robot is now, it is itself
    robot = Robot()
    for n in range(5):
        field = robot.look(at=(0.0, 0.175 * n, 1.0))
    assert at(field, 0.0, 1.0, 1.0) == 0
    again = Field(robot.volume.params, PARAMS)  # as after a crash in flight: the same place is vouched for, no other
    robot.field = again
    field = robot.look(at=(0.0, 0.7, 1.0))
    assert at(field, 0.0, 1.1, 1.0) == 0
    assert at(field, -0.3, 0.4, 1.2) > 0
    robot.field.forget()
    field = robot.look(at=(-1.0, -1.0, 1.2))
    assert 0 < at(field, -1.0, -1.0, 1.2) < 0.25
    assert at(field, -1.3, -1.0, 1.2) == at(field, -1.0, -1.3, 1.2) == 0


def test_nothing_is_vouched_for_after_a_jump_that_came_before_the_first_picture():
    """Odometry that begins anew in flight has its origin, and so the start, where the robot is then."""
    robot = Robot()
    robot.field.forget()
    field = robot.look()
    assert 0 < at(field, *EYE) < 0.25
    assert at(field, -0.4, 0.0, 1.0) == at(field, 0.0, 0.4, 1.0) == at(field, 0.0, 0.0, 1.4) == 0


def test_what_was_free_beside_the_robot_stays_so_until_it_leaves():
    """Out of sight the volume forgets; the robot may hover for as long as it likes, but not come back blindly."""
    robot = Robot(forget_s=0.25)
    for n in range(7):
        robot.look(at=(0.2 * n, 0.0, 1.0), to=(1.0, 0.0, 0.0))
    for _ in range(5):
        field = robot.look(at=(1.1, 0.0, 1.0), to=(0.0, 1.0, 0.0))
    assert robot.esdf.labels[tuple(np.floor((np.array([0.6, 0, 1]) - robot.esdf.origin_m) / 0.05).astype(int))] == 0
    assert at(field, 0.6, 0.0, 1.0) > 0.1
    assert at(field, 0.1, 0.0, 1.0) == 0.0  # vouched for once, and left
    assert field.memory_s == 0.25


def test_a_thing_that_appears_is_noticed_in_its_first_picture_and_remembered():
    robot = Robot(scene=WALL)
    for _ in range(12):
        before = robot.look()
    robot.scene = union(robot.scene, box((0.9, 0.0, 1.0), (0.05, 0.1, 0.1)))
    after = robot.look()
    assert at(before, 0.7, 0.0, 1.0) > 0.2
    assert at(after, 0.7, 0.0, 1.0) < 0.17
    for _ in range(2):  # nor does looking away or seeing nothing make it go
        assert at(robot.look(to=(0.0, 1.0, 0.0)), 0.7, 0.0, 1.0) < 0.17
        assert at(robot.look(blind=True), 0.7, 0.0, 1.0) < 0.17
    robot.scene = WALL
    for unsure in ((picture(WALL, EYE, (1.0, 0.0, 0.0)), 127), (np.full(CAMERA_SHAPE, np.inf, np.float32), 255)):
        assert at(robot.see(*unsure), 0.7, 0.0, 1.0) < 0.17
    for _ in range(2):
        gone = robot.look()
    assert at(gone, 0.7, 0.0, 1.0) > 0.2


def test_a_few_wrong_pixels_do_not_stop_it():
    robot = Robot(scene=WALL)
    for _ in range(2):
        robot.look()
    T = looking(EYE, (1.0, 0.0, 1.0))
    for pixels, sure, noticed in ((2, 255, False), (3, 127, False), (3, 128, True)):
        depth = render(robot.scene, T, 9 * HZ_NS)
        depth.depth_m[60, 80 : 80 + pixels] = 0.7
        depth.confidence[60, 80 : 80 + pixels] = sure
        field = robot.field.update(robot.esdf, depth, T, SE3.from_rpy(0, 0, 0, EYE), "odom")
        assert (at(field, 0.7, 0.0, 1.0) < 0.1) == noticed, (pixels, sure)


def test_surfaces_count_where_the_start_was_vouched_for():
    wall = plane((-1, 0, 0), -0.5)
    robot = Robot(scene=wall)
    for _ in range(3):
        field = robot.look()
    assert at(field, 0.53, 0.0, 1.1) == 0.0
    assert at(field, 0.3, 0.0, 1.1) < 0.25


@pytest.mark.parametrize("cell_voxels", [1, 2, 4])
def test_a_cell_is_free_if_all_its_voxels_are(cell_voxels):
    params = dataclasses.replace(PARAMS, cell_voxels=cell_voxels, size_m=(1.6, 1.6, 1.6), blind_m=0.1, body_m=0.1)
    robot = Robot(params=params)
    field = robot.look()
    labels, cells = robot.esdf.labels, field.clearance
    rng = np.random.default_rng(3)
    labels[:] = FREE
    picks = rng.integers(0, labels.shape, (300, 3))
    labels[tuple(picks.T)] = rng.choice([UNKNOWN, SURFACE, SURFACE + 9], 300)
    robot.field.forget()
    depth, T = render(robot.scene, looking(EYE, (1, 0, 1))), looking(EYE, (1, 0, 1))
    depth.depth_m[:] = np.nan
    field = robot.field.update(robot.esdf, depth, T, SE3.from_rpy(0, 0, 0, EYE), "odom")
    low = np.rint((np.array(field.origin_m) - robot.esdf.origin_m) / 0.05).astype(int)
    for cell in itertools.islice(np.ndindex(cells.shape), 0, None, 7):
        start = low + np.array(cell) * cell_voxels
        if (start < 0).any() or (start + cell_voxels > labels.shape).any():
            continue
        block = labels[tuple(slice(s, s + cell_voxels) for s in start)]
        own = np.linalg.norm((np.array(cell) + 0.5) * field.resolution_m + field.origin_m - EYE) <= 0.1
        if not own:
            assert (field.clearance[cell] > 0) == (block == FREE).all(), cell


def test_two_runs_give_the_same_bytes():
    runs = []
    for _ in range(2):
        robot = Robot()
        runs.append([robot.look(at=(0.05 * n, 0.02 * n, 1.0)).clearance.tobytes() for n in range(4)])
    assert runs[0] == runs[1]


def test_a_robot_that_is_nowhere_is_refused():
    robot = Robot()
    robot.look()
    depth, T = render(ROOM, looking(EYE, (1, 0, 1)), 9 * HZ_NS), looking(EYE, (1, 0, 1))
    nowhere = SE3(np.eye(3), np.array([np.nan, 0, 0]))
    for pair in ((T, nowhere), (nowhere, T)):
        with pytest.raises(ValueError, match="expected finite"):
            robot.field.update(robot.esdf, depth, *pair, "odom")


@pytest.mark.parametrize(
    "changes",
    [
        {"cell_voxels": 3}, {"size_m": (3.0, np.nan, 2.0)}, {"blind_m": 1.1}, {"body_m": 0.9}, {"body_m": 0.0},
        {"below_m": -0.1}, {"start_m": (0.0, np.nan, 0.0)}, {"rate_hz": np.nan}, {"rate_hz": 101.0}, {"pixels": 0},
        {"pixels": 256},
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        dataclasses.replace(PARAMS, **changes)


def test_a_field_of_too_many_cells_is_refused():
    with pytest.raises(ConfigError, match="at most a million"):
        Field(VolumeParams(), dataclasses.replace(PARAMS, size_m=(10.0, 10.0, 10.0)))
