"""The bench's parts: variants by name, whose fault a failure is, and what the page and the drawing say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from saccade.cli.bench import fly, nav, reach
from saccade.cli.bench.errands_report import document_of, drawn, markdown, summary, wilson
from saccade.cli.bench.nav import BENCH
from saccade.cli.episodes.blame import blame
from saccade.cli.episodes.variants import VARIANTS, OpenLoop, episode_nodes, variant_of
from saccade.cli.episodes.witness import Contact
from saccade.errors import ConfigError
from saccade.types import Decision, PlanKind
from vla_node.policies.base import ActionKind

SETTINGS = {
    "episodes": 2,
    "seed": 10_000,
    "options": "",
    "slow_latency_s": None,
    "fault": "",
    "robot": "",
    "note": "a note",
}


def row(seed: int, success: bool = True, **changes: Any) -> dict[str, Any]:
    outcome = {
        "seed": seed, "success": success, "spl": 0.9 * success, "collisions": 0, "struck": 1, "clearance_m": 0.2,
        "time_s": 20.0, "jerk": 4.0, "waiting_ratio": 0.01, "stops": 2,
    }  # fmt: skip
    return {**outcome, **({} if success else {"blame": "gate", "why": "held"}), **changes}


def test_a_summary_counts() -> None:
    found = summary([row(1), row(2, False, collisions=2), row(3), row(4, False, blame="policy")])
    assert found["success_percent"] == 50.0
    assert found["spl"] == 0.45
    assert found["collisions_percent"] == 25.0
    assert found["struck"] == 4
    assert found["blame"] == {"policy": 1, "gate": 1}
    assert found["time_s"] == 20.0


def test_the_interval_is_wilsons() -> None:
    assert wilson(19, 20) == pytest.approx((0.7639, 0.9911), abs=1e-3)
    assert wilson(20, 20)[1] == pytest.approx(1.0)


def test_the_page_names_failures_and_the_drawing_is_xml() -> None:
    rows = {"stereo": [row(10_000), row(10_001, False)], "stereo@3": [row(10_000)]}
    document = document_of(BENCH, rows, SETTINGS)
    page = markdown(document)
    assert "saccade bench nav --episodes 2 --seed 10000 --variant stereo stereo@3 --markdown" in page
    assert "| stereo | 50 |" in page
    assert "seed 10001: gate: held" in page
    assert "takes 3 s for each plan" in page
    root = ElementTree.fromstring(drawn(document))
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == 2


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_makes_nodes(name: str) -> None:
    nodes = episode_nodes("yard", variant_of(name))
    assert [node.name for node in nodes] == ["perception_node", "vla_node", "safety_node"]


def test_a_slow_reasoner_is_given_plans_that_live_long_enough() -> None:
    slow = variant_of("stereo@3")
    assert (slow.name, slow.planner["latency_s"]) == ("stereo@3", 3.0)
    assert slow.planner["valid_for_s"] > 2 * 3.0 + 1.0
    assert variant_of("truth", 1.0).planner["latency_s"] == 1.0
    for wrong in ("sterio", "stereo@x", "stereo@-1", "stereo@"):
        with pytest.raises(ConfigError, match=r"did you mean|expected a reasoner"):
            variant_of(wrong)


def test_open_loop_repeats_what_it_said_when_the_plan_came() -> None:
    answers = iter([np.arange(8.0).reshape(4, 2), np.full((4, 2), 9.0)])
    spec = SimpleNamespace(dt_ns=10, kind=ActionKind.VELOCITY)
    inner = SimpleNamespace(spec=spec, act=lambda look, timeout: next(answers))
    policy = OpenLoop(inner)  # type: ignore[arg-type]

    def look(plan: int, stamp: int) -> Any:
        return SimpleNamespace(plan=SimpleNamespace(id=plan), stamp_ns=stamp)

    assert policy.act(look(1, 100), 0)[0].tolist() == [0, 1]
    assert policy.act(look(1, 120), 0).tolist() == [[4, 5], [6, 7], [0, 0], [0, 0]]
    assert not policy.act(look(1, 200), 0).any()
    assert policy.act(look(2, 210), 0)[0].tolist() == [9, 9]
    spec.kind = ActionKind.JOINT_POSITION
    assert policy.act(look(2, 900), 0).tolist() == [[9, 9]] * 4, "an arm stays where it was to go"


def witness(kind: PlanKind = PlanKind.WAYPOINTS, contact: Contact | None = None, **ticks: Any) -> Any:
    plan = SimpleNamespace(kind=kind)
    found = [(Decision.STOP, ticks.get("reason", ""), ticks.get("requested", False), ticks.get("granted", False))]
    return SimpleNamespace(
        run=SimpleNamespace(plans=[(0, plan)]), contact=contact, ticks=lambda last_s: found * 10
    )  # fmt: skip


def mission(over: bool) -> Any:
    return SimpleNamespace(over=over, done=False, outcome="not found")


@pytest.mark.parametrize(
    ("heard", "ended", "part"),
    [
        (witness(contact=Contact(3.0, "crate 1", True)), False, "gate"),
        (witness(contact=Contact(3.0, "crate 1", False)), True, "perception"),
        (witness(contact=Contact(3.0, "blue box", None)), True, "policy"),
        (witness(), True, "reasoner"),
        (witness(reason="local_map stale"), False, "perception"),
        (witness(reason="chunk missing"), False, "infrastructure"),
        (witness(reason="clearance 0.1 m", requested=True), False, "gate"),
        (witness(requested=True, granted=True), False, "policy"),
        (witness(), False, "policy"),
        (witness(PlanKind.STOP), False, "reasoner"),
    ],
)
def test_whose_fault_it_is(heard: Any, ended: bool, part: str) -> None:
    assert blame(None, heard, mission(ended), "far")[0] == part


def test_a_fallen_body_or_no_plan_is_nobodys_fault() -> None:
    assert blame(4.0, witness(), mission(True), "far")[0] == "infrastructure"
    silent = witness()
    silent.run.plans = []
    assert blame(None, silent, mission(False), "far")[0] == "infrastructure"


def test_the_variants_that_help_names_are_those_there_are() -> None:
    assert set(VARIANTS) == {*nav.NAMES, *fly.NAMES, *reach.NAMES}


def test_figures_that_nobody_has_are_no_columns() -> None:
    bare = [{"seed": 1, "success": True, "time_s": 3.0, "collisions": 0, "stops": 1}]
    page = markdown(document_of(BENCH, {"stereo": bare}, SETTINGS))
    assert "| variant | success % | 95 % interval | collisions % | time s | stops | failures by part |" in page


def test_a_bench_takes_only_its_variants() -> None:
    assert variant_of("truth", of=("truth",)).name == "truth"
    with pytest.raises(ConfigError, match="no variant 'stereo'"):
        variant_of("stereo", of=("truth",))
