"""One run of the nodes on virtual time: from a source to run.mcap, summary.json and report.html."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from map_node.node import MapNode
from map_node.params import MapNodeParams
from perception_node.node import PerceptionNode
from perception_node.odometry.node import OdometryNode
from perception_node.odometry.params import OdometryParams
from perception_node.params import PerceptionParams
from saccade import params
from saccade.clock import SEC, nanoseconds, perf_ns, seconds
from saccade.errors import ConfigError
from saccade.node import Node, Sample, run
from saccade.report.html import write_report
from saccade.report.run import read_run
from saccade.report.summary import summarise
from saccade.robots import nodes as needed
from saccade.robots import robot_file
from saccade.topics import TOPICS, Role, topic
from saccade.wire.ahead import DecodeAhead
from saccade.wire.codec import codec
from saccade.wire.convert import encode_text
from saccade.wire.record import Recorder
from saccade.wire.virtual import Source, VirtualBus
from safety_node.node import SafetyNode
from safety_node.params import SafetyParams
from vla_node.node import VlaNode
from vla_node.params import VlaParams

Only = Literal["perception", "map", "all"]
Odometry = Literal["robot", "visual"]
"""Whose: the robot's own, or told from its pictures by a node more."""
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ReplayParams:
    """How long work takes on virtual time: seconds from a node's input to its output, the same in every run.

    `camera_height_m` above the ground is assumed where neither a recording nor its mapping file tells.
    """

    perception_latency_s: float = 0.04
    odometry_latency_s: float = 0.04
    map_latency_s: float = 0.03
    policy_latency_s: float = 0.002
    camera_height_m: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a run left behind."""

    out: Path
    summary: dict[str, Any]
    stages: dict[str, dict[str, dict[str, float]]]
    wall_s: float

    @property
    def files(self) -> list[Path]:
        """The files to look at, most telling first."""
        return [self.out / name for name in ("report.html", "run.mcap", "summary.json")]


def make_nodes(robot: str, only: Only = "all", odometry: Odometry = "robot") -> list[Node]:
    """The nodes as on the robot, except that the time of slow work is modelled, so that runs repeat."""
    path = robot_file(robot)
    seeing = seeing_nodes(robot, only, odometry)
    if only != "all":
        return seeing
    vla = params.load(VlaParams, path, "vla_node")
    vla = replace(vla, planner=replace(vla.planner, worker="modelled"))
    return [*seeing, VlaNode(vla), SafetyNode(params.load(SafetyParams, path, "safety_node"))]


def seeing_nodes(robot: str, only: Only = "all", odometry: Odometry = "robot", points: bool = True) -> list[Node]:
    """Those of `make_nodes` that see and map; without `points` no clouds are made."""
    path = robot_file(robot)
    perception = params.load(PerceptionParams, path, "perception_node")
    if not points:
        perception = replace(perception, points=replace(perception.points, publish=False))
    seeing: list[Node] = [PerceptionNode(perception)]
    if odometry == "visual":
        seeing.append(OdometryNode(params.load(OdometryParams, path, "odometry_node")))
    if only == "map" or (only == "all" and "map_node" in needed(path)):
        seeing.append(MapNode(replace(params.load(MapNodeParams, path, "map_node"), worker="modelled")))
    return seeing


def replay_params(robot: str) -> ReplayParams:
    """The `replay` section of a robot file."""
    return params.load(ReplayParams, robot_file(robot), "replay")


def modelled_latency(robot: str, nodes: Iterable[Node]) -> dict[str, int]:
    """Topic -> ns that its message takes on virtual time, from the robot file's `replay` section."""
    replay = replay_params(robot)
    per_node = {
        "perception_node": replay.perception_latency_s, "odometry_node": replay.odometry_latency_s,
        "map_node": replay.map_latency_s,
        "vla_node": replay.policy_latency_s,
    }  # fmt: skip
    return {topic: nanoseconds(per_node[node.name]) for node in nodes if node.name in per_node for topic in node.writes}


def run_session(
    source: Source,
    robot: str,
    out: Path,
    *,
    only: Only = "all",
    odometry: Odometry = "robot",
    instruction: str | None = None,
    keep_inputs: bool = False,
    pace: float | None = None,
    watch: Iterable[Node] = (),
    stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda now_ns: None,
    facts: dict[str, str] | None = None,
    extra: Callable[[], dict[str, Any]] = dict,
    inputs: Path | None = None,
    nodes: list[Node] | None = None,
) -> Result:
    """Run the nodes over a source and write everything into `out`.

    With `odometry` visual the source must have none of its own. `instruction` is given half a second after the start.
    `keep_inputs` records the sensors too, so that run.mcap can be replayed. `extra` is called after the run and its
    answer becomes part of the summary. `nodes` are those of `robot`, where they are not to be those of `make_nodes`.
    The run.mcap and the summary (but for its `timing` part) of two runs over the same source are equal byte for byte.
    """
    out.mkdir(parents=True, exist_ok=True)
    nodes = nodes or make_nodes(robot, only, odometry)
    if inputs is not None and not keep_inputs:
        source = DecodeAhead(source, nodes[0].reads)
    bus = VirtualBus(source, latency_ns=modelled_latency(robot, nodes), pace=pace)
    if instruction is not None:
        bus.push(Sample("instruction", bus.now_ns() + SEC // 2, encode_text(instruction)))
    recording = out / "run.mcap"
    recorder = Recorder(recording, recorded_topics(keep_inputs))

    def stopped() -> bool:
        progress(bus.now_ns())
        return stop()

    codec().prepare(topic(name).message_type for node in nodes for name in {*node.reads, *node.writes})
    begin = perf_ns()
    try:
        run([*nodes, recorder, *watch], bus, stopped)
    finally:
        bus.close()
    wall_s = seconds(perf_ns() - begin)
    stages = {node.name: node.stages.summary() for node in (*nodes, recorder)}
    seen = read_run(recording)
    summary = {**summarise(seen), **extra()}
    ran_s = summary["duration_s"]
    timing = {"wall_s": wall_s, "times_real_time": ran_s / wall_s if wall_s else None, "stages": stages}
    (out / "summary.json").write_text(json.dumps({**summary, "timing": timing}, indent=1) + "\n")
    facts = {**(facts or {}), **machine()}
    write_report(seen, recording, out / "report.html", stages, facts, summary, inputs=inputs)
    return Result(out, {**summary, "timing": timing}, stages, wall_s)


def recorded_topics(keep_inputs: bool) -> frozenset[str]:
    """What goes into run.mcap: what the nodes say, where the robot was, what it was told; sensors on request."""
    small = {"odom", "tf", "tf_static"}
    return frozenset(t.name for t in TOPICS.values() if keep_inputs or t.role is not Role.SENSOR or t.name in small)


def machine() -> dict[str, str]:
    """What this ran on, for the report."""
    from importlib.metadata import version

    import cv2

    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "machine": f"{cpu}, {platform.system()} {platform.machine()}, {cv2.getNumThreads()} OpenCV threads",
        "python": platform.python_version(),
        "saccade": version("saccade"),
        "opencv": cv2.__version__,
    }


def fresh_folder(out: Path) -> Path:
    """`out`, made if need be, emptied of an earlier run's files; ConfigError rather than deleting anything else."""
    ours = {"run.mcap", "summary.json", "report.html", "replay", "error.txt"}
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out} is a file; expected a folder to write into")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make --out {out}: {error.strerror}; expected a folder to write into") from error
    for path in out.iterdir():
        if path.name in ours:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return out
