"""The node on a scripted bus: how soon it stops, how well it holds, how soon it resumes; and it never stops idly."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from safety_scene import Base, World

from saccade import topics
from saccade.clock import MS, SEC, TickGrid
from saccade.node import Out, Sample, run
from saccade.stages import Stages
from saccade.types import ActionChunk, Decision, Verdict
from saccade.wire.convert import decode_command, decode_verdict, encode_bool, encode_chunk, encode_map, encode_odom
from saccade.wire.virtual import LocalBus
from safety_node.limits import TICK_NS, Limits
from safety_node.node import SafetyNode

PERIOD = {"chunk": 50 * MS, "local_map": 100 * MS, "odom": 20 * MS}
LATENCY = {"chunk": 110 * MS, "local_map": 100 * MS, "odom": 5 * MS}
START = 100 * SEC


class Robot:
    """Everything but the gate: sends each input at its rate, `silent` or `frozen` (from, until) in between."""

    name = "robot"
    reads = frozenset({"cmd_vel", "verdict"})
    writes = frozenset(PERIOD)

    def __init__(
        self, silent: dict[str, tuple[int, int]] | None = None, frozen: dict[str, tuple[int, int]] | None = None
    ):
        self.stages, self._grid = Stages(), TickGrid(10 * MS)
        self._silent, self._frozen = silent or {}, frozen or {}
        self._world, self._base = World(np.zeros((0, 3))), Base()
        self.verdicts: list[Verdict] = []
        self.commands: list[tuple[int, np.ndarray]] = []

    def next_ns(self, now_ns: int) -> int:
        return self._grid.next_ns or self._grid.start(now_ns)

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        self._grid.advance(now_ns)
        for name, period in PERIOD.items():
            begin, end = self._silent.get(name, (0, 0))
            if now_ns % period == 0 and not begin <= now_ns < end:
                begin, end = self._frozen.get(name, (0, 0))
                stamp = (begin if begin <= now_ns < end else now_ns) - LATENCY[name]
                yield Out(name, self._message(name, stamp, now_ns))

    def _message(self, name: str, stamp: int, now: int) -> bytes | memoryview:
        if name == "chunk":
            return encode_chunk(ActionChunk(stamp, now, 50 * MS, ("vx", "wz"), np.tile([0.3, 0.1], (40, 1)), 1, 1))
        if name == "odom":
            return encode_odom(self._base.state(stamp))
        return encode_map(self._world.map(stamp, 0.0, 0.0, resolution_m=0.1))

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        if sample.topic == "verdict":
            self.verdicts.append(decode_verdict(sample.cdr))
        else:
            command = decode_command(sample.cdr)
            self.commands.append((command.stamp_ns, command.values))
        return ()

    def close(self) -> Iterable[Out]:
        return ()


def drive(robot: Robot, seconds: float, *scripted: Sample) -> list[Verdict]:
    """Run gate and robot; the verdicts, one a tick, each with its command."""
    bus = LocalBus(start_ns=START)
    for sample in scripted:
        bus.push(sample)
    end = START + round(seconds * SEC)
    run([SafetyNode(Limits()), robot], bus, stop=lambda: bus.now_ns() >= end)
    assert robot.verdicts.pop().reason == "shut down"
    assert not robot.commands.pop()[1].any()
    stamps = [verdict.stamp_ns for verdict in robot.verdicts]
    assert stamps == [START + k * TICK_NS for k in range(1, len(stamps) + 1)]
    assert [stamp for stamp, _ in robot.commands] == stamps
    for (_, values), verdict in zip(robot.commands, robot.verdicts, strict=True):
        assert values[[0, 5]].tolist() == verdict.granted.tolist()
    return robot.verdicts


def stops(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.decision is Decision.STOP]


def test_a_clean_run_has_no_false_stop() -> None:
    verdicts = drive(Robot(), 20)
    moving = [verdict for verdict in verdicts if verdict.stamp_ns > START + 200 * MS]
    assert len(moving) > 1900
    assert stops(moving) == []
    np.testing.assert_allclose(moving[-1].granted, [0.3, 0.1])


@pytest.mark.parametrize("way", ["silent", "frozen"])
@pytest.mark.parametrize("name", sorted(PERIOD))
def test_time_to_stop_hold_and_time_to_resume(name: str, way: str) -> None:
    lost, back = START + 2 * SEC, START + 4 * SEC
    verdicts = drive(Robot(**{way: {name: (lost, back)}}), 5)
    stopped = stops([verdict for verdict in verdicts if verdict.stamp_ns > START + 200 * MS])
    newest = lost - LATENCY[name] - (PERIOD[name] if way == "silent" else 0)
    first = stopped[0]
    # The first tick at which the newest stamp is older than the table allows, and not a tick later.
    limit = newest + topics.topic(name).stale_ns
    assert limit < first.stamp_ns <= limit + TICK_NS
    assert f" ({(first.stamp_ns - newest) / MS:.0f} ms)" in first.reason
    later = next(verdict for verdict in verdicts if verdict.stamp_ns == lost + SEC)
    assert later.reason.startswith(f"{name} {'stale' if way == 'silent' else 'frozen'} (")
    held = [verdict for verdict in verdicts if first.stamp_ns <= verdict.stamp_ns < back]
    assert stops(held) == held
    assert all(name in verdict.reason for verdict in held)
    resumed = next(verdict for verdict in verdicts if verdict.stamp_ns > back and verdict.decision is not Decision.STOP)
    assert resumed.stamp_ns <= back + TICK_NS
    assert 0 < resumed.granted[0] <= 0.0081  # it starts from zero, as from any standstill


def test_operator_stop_and_release() -> None:
    press, release = START + SEC + 3 * MS, START + 2 * SEC + 3 * MS
    verdicts = drive(
        Robot(),
        3,
        Sample("operator_stop", press, encode_bool(True)),
        Sample("operator_stop", release, encode_bool(False)),
    )
    stopped = stops([verdict for verdict in verdicts if verdict.stamp_ns > START + 200 * MS])
    assert {verdict.reason for verdict in stopped} == {"operator stop"}
    assert stopped[0].stamp_ns == START + SEC + 10 * MS
    assert stopped[-1].stamp_ns == START + 2 * SEC
    assert len(stopped) == 100


def test_two_runs_give_the_same_bytes() -> None:
    def sent() -> list[Sample]:
        bus, heard = LocalBus(start_ns=START), []
        original = bus.send
        bus.send = lambda topic, cdr: (heard.append((topic, bytes(cdr))), original(topic, cdr))[1]  # type: ignore[method-assign]
        run([SafetyNode(Limits()), Robot()], bus, stop=lambda: bus.now_ns() >= START + 2 * SEC)
        return heard

    first = sent()
    assert len(first) > 400
    assert first == sent()
