"""The whole way through the nodes: what a model points to in the picture is taken hold of, or nothing moves."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from arm_scene import ARM, CAMERA, HALF_M, HOME, T0, box_around, depth_of, looking_at

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")
import mujoco
from arm_cell import LIMITS, TICK, scene

from saccade import params
from saccade.clock import MS, SEC, seconds
from saccade.geometry import SE3
from saccade.node import NEVER_NS, Sample, run
from saccade.robots import robot_file
from saccade.stages import Stages
from saccade.types import CameraModel, Image, PlanKind
from saccade.wire.commands import decode_joint_trajectory, encode_joint_state
from saccade.wire.convert import decode, decode_plan, encode_camera, encode_text, encode_transforms
from saccade.wire.diagnostics import Level
from saccade.wire.exchange import decode_exchange
from saccade.wire.images import encode_depth, encode_image
from saccade.wire.virtual import VirtualBus
from safety_node.node import SafetyNode
from vla_node.node import VlaNode
from vla_node.params import VlaParams
from vla_node.reasoners.params import ReasonerParams

CENTRE = np.array([0.45, 0.1, 0.03])
TOP = np.add(CENTRE, [0.0, 0.0, HALF_M[2]])
MOUNT = (0.2, -0.1, 0.3, 0.0, 0.0, 0.5)
T_ARM_FROM_CAM = looking_at((0.1, -0.4, 0.7), tuple(CENTRE))
T_WORLD_FROM_BODY = SE3.from_rpy(0.0, 0.0, -0.7, (1.0, 2.0, 0.4))
T_WORLD_FROM_CAM = T_WORLD_FROM_BODY @ SE3.from_rpy(*MOUNT[3:], MOUNT[:3]) @ T_ARM_FROM_CAM
FIXED = [("world", "base_link", T_WORLD_FROM_BODY), ("world", "overhead", T_WORLD_FROM_CAM)]
"""A camera that is fixed in the world, as the robot is."""


def pointed():
    """The box around the thing as VLA-R1 writes it."""
    (u0, v0), (u1, v1) = box_around(T_ARM_FROM_CAM, CENTRE)
    box = {
        "x": (u0 + u1 + 1) / 2 / CAMERA.width, "y": (v0 + v1 + 1) / 2 / CAMERA.height,
        "width": (u1 - u0) / CAMERA.width, "height": (v1 - v0) / CAMERA.height,
    }  # fmt: skip
    return f"<think>The box is on the table.</think> Here it is: <output>{json.dumps(box)}</output>"


@contextmanager
def model(text):
    """A server of chat completions that always answers `text`; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            body = json.dumps({"choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


class World:
    """A `Source`: the cell in MuJoCo with its camera. Servos follow `joint_trajectory`; nobody tells odometry."""

    def __init__(self, for_s, links=FIXED):
        self.start_ns, self._now_ns, self._end_ns = T0, T0, T0 + round(for_s * SEC)
        self.model, self.data, self._at, self._servos = scene(CENTRE)
        self.goals, self.measured = [HOME], []
        self._queue = [Sample("tf_static", T0, encode_transforms(T0, links))]
        self._queue += [Sample("instruction", T0 + SEC // 2, encode_text("take the box"))]

    def next_ns(self):
        self._fill()
        return self._queue[0].stamp_ns if self._queue[0].stamp_ns <= self._end_ns else None

    def take(self):
        return self._queue.pop(0)

    def advance(self, to_ns):
        while self._now_ns < to_ns:
            until = min(to_ns, self._now_ns + TICK - self._now_ns % TICK)
            mujoco.mj_step(self.model, self.data, nstep=round(seconds(until - self._now_ns) / self.model.opt.timestep))
            self._now_ns = until

    def heard(self, topic, cdr, now_ns):
        if topic == "joint_trajectory":
            self.goals.append(decode_joint_trajectory(cdr)[1])
            self.data.ctrl[self._servos] = self.goals[-1]
            self.measured.append(self.at)

    def close(self):
        """Nothing is held."""

    @property
    def at(self):
        return self.data.qpos[self._at].copy()

    def _fill(self):
        """Joints every 10 ms, pictures every 100 ms."""
        due = self._now_ns + TICK - self._now_ns % TICK
        if any(sample.topic == "joint_states" for sample in self._queue):
            return
        self._queue.append(Sample("joint_states", due, encode_joint_state(due, ARM.axes, self.at)))
        if due % (100 * MS) == 0:
            picture = Image(due, "overhead", np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8))
            P = np.array([[CAMERA.fx, 0, CAMERA.cx, 0], [0, CAMERA.fy, CAMERA.cy, 0], [0, 0, 1, 0]])
            lens = CameraModel(
                "overhead", CAMERA.width, CAMERA.height, "plumb_bob", np.zeros(5), P[:, :3], np.eye(3), P
            )
            self._queue += [
                Sample("left/image_rect", due, encode_image(picture)),
                Sample("depth/camera_info", due, encode_camera(due, lens)),
                Sample("depth/image_rect", due, encode_depth(due, "overhead", DEPTH)),
            ]
        self._queue.sort(key=lambda sample: sample.stamp_ns)


DEPTH = depth_of(T_ARM_FROM_CAM, CENTRE)


class Ear:
    """What the nodes said: plans, exchanges, and bad news by the name of what is diagnosed."""

    name, writes = "ear", frozenset()
    reads = frozenset({"plan", "plan/exchange", "diagnostics", "verdict"})

    def __init__(self):
        self.stages, self.plans, self.exchanges, self.bad = Stages(), [], [], set()

    def next_ns(self, now_ns):
        return NEVER_NS

    def on_sample(self, sample, now_ns):
        if sample.topic == "plan":
            self.plans.append(decode_plan(sample.cdr))
        elif sample.topic == "plan/exchange":
            self.exchanges.append(decode_exchange(sample.cdr))
        elif sample.topic == "diagnostics":
            said = decode("diagnostics", sample.cdr).status
            self.bad |= {f"{s.name}: {s.message}" for s in said if int(s.level) != Level.OK}
        return ()

    def on_tick(self, now_ns):
        return ()

    def close(self):
        return ()

    def told(self, *words):
        return any(all(word in text for word in words) for text in self.bad)


def robot(address="", dialect="vla_r1", **arm):
    """The arm of config/robots/arm.yaml on a mount, its reasoner behind an address."""
    vla = params.load(VlaParams, robot_file("arm"), "vla_node")
    asked = {"kind": "openai", "address": address, "model": "m", "dialect": dialect, "retries": 0} if address else {}
    planner = replace(vla.planner, worker="modelled", reasoner=ReasonerParams(**asked))
    return replace(vla, planner=planner, arm=replace(vla.arm, mount=MOUNT, **arm))


def work(vla, for_s, links=FIXED):
    world, ear = World(for_s, links), Ear()
    run([VlaNode(vla), SafetyNode(LIMITS), ear], VirtualBus(world))
    return world, ear


def stood(world):
    return np.ptp(np.array(world.goals), axis=0).max() < 1e-9


@pytest.fixture(scope="module")
def grasped():
    with model(pointed()) as address:
        return work(robot(address), 8.0)


def test_what_the_model_points_to_is_taken_hold_of(grasped):
    world, ear = grasped
    wanted = np.add(CENTRE, [0.0, 0.0, HALF_M[2] - ARM.grasp.depth_m])
    assert np.linalg.norm(world.data.site("tool").xpos - wanted) < 0.01
    assert world.goals[-1][6] == pytest.approx(ARM.gripper.closed, abs=1e-3)
    assert 0.012 < world.at[6] < 0.03  # held back by the thing
    assert ear.plans[-1].kind is PlanKind.WAYPOINTS
    assert ear.plans[-1].frame_id == "base_link"
    assert ear.exchanges[0].answered == pointed()
    assert "take the box" in ear.exchanges[0].asked


def test_every_limit_is_kept_at_every_step(grasped):
    world, _ = grasped
    goals, step_s = np.array(world.goals), seconds(TICK)
    speeds = np.diff(goals, axis=0) / step_s
    changes = np.diff(speeds, axis=0, prepend=np.zeros((1, 7))) / step_s
    assert np.abs(speeds).max() > 0.2
    assert (np.abs(speeds) <= np.array(LIMITS.max_speed) + 1e-9).all()
    assert (np.abs(changes) <= np.array(LIMITS.max_accel) + 1e-6).all()
    for at in (goals, np.array(world.measured)):
        assert (at >= np.array(LIMITS.position_min) - 1e-3).all()
        assert (at <= np.array(LIMITS.position_max) + 1e-3).all()


@pytest.mark.parametrize(
    ("dialect", "text", "reason"),
    [
        ("vla_r1", pointed()[:-10], "cut off"),
        ("vla_r1", pointed().replace('"x"', '"left"'), "lacks ['x']"),
        ("vla_r1", "<output>[[0.5, 0.9], [0.5, 0.5]]</output>", "a path of 2 points, which an arm does not follow"),
        ("vla_r1", "<output>[[0.05, 0.9]]</output>", "nothing that stands out"),
        ("waypoints", '{"action": "waypoints", "points": [[0.4, 0.1]]}', "expected one of point, stop"),
    ],
)
def test_an_answer_that_is_not_understood_moves_nothing(dialect, text, reason):
    with model(text) as address:
        world, ear = work(robot(address, dialect), 2.5)
    assert stood(world)
    assert {plan.kind for plan in ear.plans} == {PlanKind.STOP}
    assert reason in ear.plans[-1].text
    assert ear.exchanges[-1].answered == text
    assert ear.told("planner", reason)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [("gemini_er", '[{"point": [%d, %d], "label": "box"}]'), ("waypoints", '{"action": "point", "pixel": [%d, %d]}')],
)
def test_a_point_in_the_picture_is_a_place_to_take_hold_of(dialect, text):
    u, v = CAMERA.project(T_ARM_FROM_CAM.inverse().apply(TOP))
    xy = round(1000 * (u + 0.5) / CAMERA.width), round(1000 * (v + 0.5) / CAMERA.height)
    with model(text % (xy[::-1] if dialect == "gemini_er" else xy)) as address:
        world, ear = work(robot(address, dialect), 1.5)
    T_arm_from_body = SE3.from_rpy(*MOUNT[3:], MOUNT[:3]).inverse()
    top = T_arm_from_body.apply(ear.plans[-1].waypoints[-1])
    np.testing.assert_allclose(top, TOP, atol=0.003)
    assert not stood(world)


def test_a_gripper_that_goes_ahead_meets_the_face_before_it():
    with model(pointed()) as address:
        vla = robot(address)
        ahead = replace(vla, arm=replace(vla.arm, grasp=replace(vla.arm.grasp, approach="forward", depth_m=0.005)))
        _, ear = work(ahead, 1.5)
    point = SE3.from_rpy(*MOUNT[3:], MOUNT[:3]).inverse().apply(ear.plans[-1].waypoints[-1])
    assert np.hypot(*point[:2]) < np.hypot(*CENTRE[:2]) - 0.01
    assert point[2] > 0.01


def test_what_is_missing_is_named_and_moves_nothing():
    with model(pointed()) as address:
        world, ear = work(robot(address), 2.0, links=FIXED[:1])
        assert stood(world)
        assert "no transform from 'overhead' to 'base_link'" in ear.plans[-1].text
        world, ear = work(robot(address, fixed=False), 2.0)
        assert stood(world)
        assert not ear.plans
        assert ear.told("policy", "odom missing")


def test_without_a_model_what_has_no_colour_is_refused_with_what_to_say():
    world, ear = work(robot(), 1.5)
    assert stood(world)
    assert ear.told("instruction", "Say the colour of the box")
    assert ear.plans[-1].kind is PlanKind.STOP
