"""Golden replay: the commands of a scripted drive, compared field by field; its perturbed twins must differ.

The cameras are those of `sim:hall`, driven by a script instead of by the nodes, so that a small change of a command
does not change what is seen next. `make golden` rewrites the file; look at the difference before committing it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sim.bus import open_world

from saccade.cli.session import make_nodes, modelled_latency
from saccade.clock import MS, SEC
from saccade.node import NEVER_NS, Sample, run
from saccade.stages import Stages
from saccade.types import Command
from saccade.wire.convert import decode_plan, decode_verdict, encode_command, encode_text
from saccade.wire.inject import InjectSource, parse_faults
from saccade.wire.virtual import VirtualBus

GOLDEN = Path(__file__).with_name("hall_script.json")
TOLERANCE = {"requested": 0.05, "granted": 0.05, "clearance_m": 0.06}
"""Per field, in its unit; decision and reason must be equal. Absorbs the last bits of float32 on another processor."""
AGREE = 0.97
"""Share of compared ticks on which every field must agree: one tick's decision may flip at a threshold."""
SECONDS = 8


class ScriptedWorld:
    """`sim:hall` as a source that obeys a script instead of what the nodes command."""

    def __init__(self, world):
        self._world = world
        self.start_ns = world.start_ns
        self._said_ns = 0

    def next_ns(self):
        return self._world.next_ns()

    def take(self):
        return self._world.take()

    def advance(self, to_ns):
        t = (to_ns - self.start_ns) / 1e9
        if to_ns - self._said_ns >= 50 * MS:
            self._said_ns = to_ns
            command = Command(to_ns, ("vx", "wz"), np.array([0.25, 0.4 * np.sin(0.8 * t)]))
            self._world.heard("cmd_vel", encode_command(command), to_ns)
        self._world.advance(to_ns)

    def heard(self, topic, cdr, now_ns):
        """The script drives."""

    def close(self):
        self._world.close()


class Notes:
    """Writes down what the gate and the planner say."""

    name, reads, writes = "notes", frozenset({"verdict", "plan"}), frozenset()

    def __init__(self):
        self.stages, self.verdicts, self.plans = Stages(), [], []

    def next_ns(self, now_ns):
        return NEVER_NS

    def on_sample(self, sample, now_ns):
        if sample.topic == "plan":
            plan = decode_plan(sample.cdr)
            self.plans.append((plan.kind.name, plan.final))
        else:
            self.verdicts.append(decode_verdict(sample.cdr))
        return ()

    def on_tick(self, now_ns):
        return ()

    def close(self):
        return ()


def drive(inject: str = "", instruction: str = "go to the red box, then come back"):
    """The compared fields, one row every 100 ms."""
    source = ScriptedWorld(open_world(f"hall?seed=7&seconds={SECONDS}"))
    start_ns = source.start_ns
    if faults := parse_faults(inject):
        source = InjectSource(source, faults)
    nodes, notes = make_nodes("hall"), Notes()
    bus = VirtualBus(source, latency_ns=modelled_latency("hall", nodes))
    bus.push(Sample("instruction", start_ns + SEC // 2, encode_text(instruction)))
    run([*nodes, notes], bus)
    bus.close()
    rows = [
        {
            "t_ms": (v.stamp_ns - start_ns) // MS,
            "decision": v.decision.name,
            "reason": v.reason.split(" (")[0].split(" 0.")[0],
            "requested": [None if np.isnan(x) else round(float(x), 4) for x in v.requested],
            "granted": [round(float(x), 4) for x in v.granted],
            "clearance_m": None if np.isnan(v.clearance_m) else round(v.clearance_m, 3),
        }
        for v in notes.verdicts
        if (v.stamp_ns - start_ns) % (100 * MS) == 0
    ]
    return {"rows": rows, "plans": notes.plans}


def agreement(a, b) -> tuple[float, list[str]]:
    """Share of equal rows, and the first differences in words."""
    differences = []
    for row, other in zip(a["rows"], b["rows"], strict=False):
        for field, tolerance in {"decision": None, "reason": None, **TOLERANCE}.items():
            x, y = row[field], other[field]
            numbers = (
                tolerance is not None and x is not None and y is not None and None not in np.ravel([x, y]).tolist()
            )
            if not (np.allclose(x, y, rtol=0, atol=tolerance) if numbers else x == y):
                differences.append(f"t={row['t_ms']} ms: {field} {x} != {y}")
                break
    missing = abs(len(a["rows"]) - len(b["rows"]))
    total = max(len(a["rows"]), len(b["rows"]))
    return 1 - (len(differences) + missing) / total, differences[:10]


@pytest.fixture(scope="module")
def golden(request):
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(json.dumps(drive(), indent=0) + "\n")
    return json.loads(GOLDEN.read_text())


def test_the_scripted_drive_commands_what_it_did(golden):
    share, differences = agreement(golden, drive())
    assert share >= AGREE, differences


def test_the_golden_drive_contains_motion_and_limits(golden):
    decisions = {row["decision"] for row in golden["rows"]}
    assert "PASS" in decisions
    assert len(decisions) >= 2
    assert max(abs(x) for row in golden["rows"] for x in row["granted"]) > 0.2


TWINS = {
    "late camera": {"inject": "latency=250ms"},
    "frozen camera": {"inject": "freeze@4s+2s"},
    "another instruction": {"instruction": "turn left 90 degrees"},
}


@pytest.mark.parametrize("name", ["late camera", *(pytest.param(n, marks=pytest.mark.slow) for n in list(TWINS)[1:])])
def test_a_perturbed_twin_differs(golden, name):
    share, _ = agreement(golden, drive(**TWINS[name]))
    assert share < AGREE
