"""A robot never starts moving on an unverified engine; and changes to a verified one while it runs, if it may."""

import dataclasses
import json
import time

import pytest
from compiled_cards import card_at
from hall_drive import ListSource, Notes, scripted_drive
from own_compiler import GO, alive, builds, use

from engines.engine import EngineError
from engines.open import open_engine
from engines.probe.scenes import slanted
from engines.store.cases import shown
from engines.store.manifest import MANIFEST
from perception_node.__main__ import main
from perception_node.node import PerceptionNode
from perception_node.params import PerceptionParams
from saccade.cli.session import make_nodes
from saccade.clock import SEC
from saccade.node import Sample, run
from saccade.wire.convert import decode, encode_text
from saccade.wire.virtual import VirtualBus

SECONDS = 2


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def with_card(card, **changed):
    return PerceptionParams(engine=card.path, **changed)


@pytest.fixture
def waiting(tmp_path, cache, monkeypatch):
    monkeypatch.setenv(GO, str(tmp_path / "go"))
    use("Waits")
    return card_at(tmp_path), tmp_path / "go"


def test_the_node_does_not_start_without_a_verified_engine(tmp_path, cache, caplog):
    card = card_at(tmp_path)
    with pytest.raises(EngineError, match=r"run: saccade engine build .*stand-in.yaml --runtime openvino"):
        PerceptionNode(with_card(card))
    params = tmp_path / "params.yaml"
    params.write_text(f"perception_node:\n  ros__parameters:\n    engine: {card.path}\n")
    assert main(["--params", str(params)]) == 2
    assert "saccade engine build" in caplog.text


def test_nor_with_one_in_quarantine(verified):
    card, folder = verified
    document = json.loads((folder / MANIFEST).read_text()) | {"status": "quarantined", "reason": "NaN or infinity"}
    (folder / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(EngineError, match=r"quarantine: .*NaN"):
        PerceptionNode(with_card(card))


def test_and_the_gate_stays_stopped(tmp_path, cache):
    card = card_at(tmp_path)
    nodes = {node.name: node for node in make_nodes("hall")}
    nodes.pop("perception_node").close()
    with pytest.raises(EngineError):
        nodes["perception_node"] = PerceptionNode(with_card(card))
    source = ListSource(scripted_drive(SECONDS))
    notes = Notes(source.start_ns)
    bus = VirtualBus(source)
    bus.push(Sample("instruction", source.start_ns + SEC // 2, encode_text("go to the red box")))
    run([*nodes.values(), notes], bus)
    assert not notes.moved(0, SECONDS)
    assert {topic for _, topic in notes.heard}.isdisjoint({"local_map", "depth/image_rect"})
    assert any("map" in reason for reason in notes.reasons(1, SECONDS))


def test_the_parameters_choose_what_runs_a_card(verified):
    card, _ = verified
    for params in (with_card(card), with_card(card, runtime="onnxruntime"), with_card(card, precision="fp32")):
        PerceptionNode(params).close()
    with pytest.raises(EngineError, match="--precision fp16"):
        PerceptionNode(with_card(card, precision="fp16"))


def told(node, now_ns):
    """What the node says of its stereo stage."""
    for out in node.on_tick(now_ns):
        for status in decode("diagnostics", out.cdr).status if out.topic == "diagnostics" else ():
            if status.name == "perception: stereo":
                return {value.key: value.value for value in status.values}
    return {}


@pytest.mark.slow
def test_the_cpu_runs_meanwhile_where_that_is_allowed_and_the_node_tells(waiting):
    card, go = waiting
    node = PerceptionNode(with_card(card, meanwhile="onnxruntime"))
    engine = node._source.frames._matching._engine
    inputs = shown(card, slanted((96, 160), 16))
    until(lambda: builds() == 1)
    until(lambda: "25 %" in engine.report["waiting"])
    of_cpu = engine.infer(inputs)["disparity"].copy()
    said = told(node, SEC)
    assert said["runtime"] == "onnxruntime on the CPU, meanwhile"
    assert "openvino: compiling for long, 25 %" in said["waiting"]
    go.touch()
    until(lambda: engine.infer(inputs) and "swapped" in engine.report)
    assert (engine.infer(inputs)["disparity"] == of_cpu).all()
    said = told(node, 3 * SEC)
    assert said["runtime"] == "openvino, fp32"
    assert said["swapped"] == "from the CPU to openvino while running"
    assert "waiting" not in said
    node.close()


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "words"), [("NotANumber", "NaN or infinity"), ("Segfaults", "SIGSEGV")])
def test_what_does_not_pass_never_takes_over(tmp_path, cache, fault, words):
    card = dataclasses.replace(card_at(tmp_path), meanwhile="onnxruntime")
    use(fault)
    inputs = shown(card, slanted((96, 160), 16))
    with open_engine(card) as engine:
        before = engine.infer(inputs)["disparity"].copy()
        until(lambda: "stays on the CPU" in engine.report["waiting"])
        assert words in engine.report["waiting"]
        assert (engine.infer(inputs)["disparity"] == before).all()
        assert "swapped" not in engine.report
    with open_engine(card) as engine:  # in quarantine: the CPU goes on, and nothing is built
        assert "quarantine" in engine.report["waiting"]
    assert builds() == 1


def test_a_missing_library_is_told_while_the_cpu_runs(tmp_path, cache):
    card = dataclasses.replace(card_at(tmp_path), meanwhile="onnxruntime")
    use("Missing")
    with open_engine(card) as engine:
        assert engine.report["waiting"] == "own is not installed; pip install own"
        assert engine.infer(shown(card, slanted((96, 160), 16)))


def test_what_somebody_else_may_have_written_is_refused_even_so(verified):
    card, folder = verified
    (folder / "graph-0.engine").chmod(0o666)
    with pytest.raises(EngineError, match="chmod go-w"):
        open_engine(dataclasses.replace(card, meanwhile="onnxruntime"))


def test_closing_ends_a_build_in_the_background(waiting):
    card, _ = waiting
    engine = open_engine(dataclasses.replace(card, meanwhile="onnxruntime"))
    until(lambda: builds() == 1)
    engine.close()
    until(lambda: not alive(), 10)
