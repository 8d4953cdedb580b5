"""Golden replay: the verdicts of a scripted drive, compared field by field; its perturbed twins must differ.

A script drives and not the nodes, so that a small change of a command does not change what is seen next. `make golden`
rewrites the file; look at the difference before committing it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hall_drive import INSTRUCTION, ListSource, drive_nodes, scripted_drive

from saccade.clock import MS
from saccade.wire.inject import InjectSource, parse_faults

GOLDEN = Path(__file__).with_name("hall_script.json")
TOLERANCE = {"requested": 0.05, "granted": 0.05, "clearance_m": 0.06}
"""Per field, in its unit; decision and reason must be equal. Absorbs the last bits of float32 on another processor."""
AGREE = 0.95
"""Share of compared ticks on which every field must agree: one tick's decision may flip at a threshold."""
SECONDS = 8


def drive(inject: str = "", instruction: str = INSTRUCTION):
    """The compared fields, one row every 100 ms."""
    source = ListSource(scripted_drive(SECONDS))
    if faults := parse_faults(inject):
        source = InjectSource(source, faults)
    notes = drive_nodes(source, instruction)
    rows = [
        {
            "t_ms": (v.stamp_ns - source.start_ns) // MS,
            "decision": v.decision.name,
            "reason": re.sub(r"[-+]?\d+(\.\d+)?", "#", v.reason),
            "requested": [None if np.isnan(x) else round(float(x), 4) for x in v.requested],
            "granted": [round(float(x), 4) for x in v.granted],
            "clearance_m": None if np.isnan(v.clearance_m) else round(v.clearance_m, 3),
        }
        for _, v in notes.verdicts
        if (v.stamp_ns - source.start_ns) % (100 * MS) == 0
    ]
    return {"rows": rows, "plans": [[plan.kind.name, plan.final] for plan in notes.plans]}


def agreement(a, b) -> tuple[float, list[str]]:
    """Share of equal rows, and the first differences in words."""
    differences = []
    for row, other in zip(a["rows"], b["rows"], strict=False):
        for field, tolerance in {"decision": None, "reason": None, **TOLERANCE}.items():
            x, y = row[field], other[field]
            numbers = tolerance is not None and None not in np.ravel([x, y]).tolist()
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


def test_the_scripted_drive_gives_the_verdicts_it_gave(golden):
    share, differences = agreement(golden, drive())
    assert share >= AGREE, differences


def test_the_golden_drive_contains_motion_and_limits(golden):
    decisions = [row["decision"] for row in golden["rows"]]
    assert decisions.count("PASS") > 10
    assert len(set(decisions)) >= 2
    assert max(abs(x) for row in golden["rows"] for x in row["granted"]) > 0.2


TWINS = {
    "late camera": {"inject": "latency=250ms"},
    "frozen camera": {"inject": "freeze@4s+2s"},
    "another instruction": {"instruction": "turn left 90 degrees"},
}


@pytest.mark.parametrize("name", TWINS)
def test_a_perturbed_twin_differs(golden, name):
    share, _ = agreement(golden, drive(**TWINS[name]))
    assert share < AGREE
