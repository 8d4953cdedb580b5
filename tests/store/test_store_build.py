"""Building, verifying and quarantining engines, with a compiler of our own in real child processes."""

import json
import re
import threading

import pytest
import yaml
from compiled_cards import card_at
from own_compiler import alive, builds, use
from stand_ins import approved, matcher

from engines.card import load_card, with_runtime
from engines.engine import EngineError
from engines.open import open_engine
from engines.probe.scenes import slanted
from engines.store import build
from engines.store.advice import Quarantined, build_command
from engines.store.build import ensure, job, verify
from engines.store.cases import reference, shown
from engines.store.key import key_of, models_of
from engines.store.manifest import entries, root
from engines.store.process import in_child
from saccade.cli import OK, main


def test_a_build_is_verified_told_and_kept_in_clear(built):
    _, manifest, told = built
    assert manifest.status == "verified"
    assert manifest.key["versions"] == {"device": "this CPU", "own": "1.0"}
    assert manifest.key["plans"][0]["precision"] == "fp32"
    assert manifest.build_s > 0
    assert manifest.figures["EPE px"] == 0
    assert "compiling" in told
    assert any("reference" in what for what in told)


def test_a_verified_engine_is_opened_and_answers_as_the_cpu(verified):
    card, _ = verified
    inputs = shown(card, slanted((96, 160), 16))
    with open_engine(card) as engine, reference(card, models_of(card)) as cpu:
        assert engine.report["runtime"] == "openvino, fp32"
        assert (engine.infer(inputs)["disparity"] == cpu.infer(inputs)["disparity"]).all()


def test_what_is_verified_is_not_built_again(verified, tmp_path):
    assert ensure(job(verified[0])).status == "verified"
    assert builds() == 0


def test_other_ranges_are_another_int8_engine_in_the_same_place(tmp_path, cache, no_child):
    """And the one that is there is not given back in silence; who only opens it takes whichever it is."""
    card = with_runtime(card_at(tmp_path), precision="int8")
    dark, light = ((shown(card, slanted((96, 160), 16)),), (shown(card, slanted((96, 160), 8)),))
    first = ensure(job(card, calibration=dark))
    for calibration, so_far in ((dark, 0), ((), 0), (light, 1), (light, 1), ((), 1)):
        found = ensure(job(card, calibration=calibration))
        assert found.status == "verified"
        assert (found.calibrated != first.calibrated) == bool(so_far)


def test_a_recording_is_not_taken_where_nothing_would_use_it(tmp_path, cache):
    card = card_at(tmp_path)
    with pytest.raises(EngineError, match="only int8 takes ranges from a recording, and this is fp32"):
        job(card, calibration=({"left": None},))


def test_folders_and_files_are_for_this_user_alone(verified):
    for path in (root(), verified[1], *verified[1].iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_without_a_build_nothing_is_opened_and_the_command_is_told(tmp_path, cache):
    with pytest.raises(EngineError, match=r"run: saccade engine build .*stand-in.yaml --runtime openvino"):
        open_engine(card_at(tmp_path))


@pytest.mark.parametrize("other", ["OtherVersion", "OtherDevice"])
def test_another_version_or_device_is_another_engine(verified, other):
    use(other)
    with pytest.raises(EngineError, match="has no openvino engine for this machine"):
        open_engine(verified[0])


def test_a_changed_graph_is_refused_by_name(tmp_path, cache, verified):
    card = card_at(tmp_path / "other")
    card.beside(card.onnx).write_bytes(matcher(shape=(96, 160), disparities=19).SerializeToString())
    with pytest.raises(EngineError, match="not the model that was tested"):
        open_engine(card)
    changed = card_at(tmp_path / "other", matcher(shape=(96, 160), disparities=19))
    with pytest.raises(EngineError, match="has no openvino engine"):
        open_engine(changed)


def test_other_precisions_shapes_and_options_are_other_engines(verified):
    card = verified[0]
    others = [
        with_runtime(card, precision="fp16"),
        load_card(card.path, threads=2),
        with_runtime(load_card(card.path), meanwhile="onnxruntime"),
    ]
    digests = [key_of(other, models_of(other)).digest for other in (card, *others)]
    assert digests[1] != digests[0]
    assert digests[2:] == [digests[0]] * 2  # how it is run does not change what is built


def test_a_precision_that_is_not_to_be_had_here_is_refused_before_anything_is_built(verified, cache):
    there = sorted(cache.iterdir())
    with pytest.raises(EngineError, match=r"stand-in: openvino has no bf16 here: nothing here has bf16; .*--precision"):
        ensure(job(with_runtime(verified[0], precision="bf16")))
    assert sorted(cache.iterdir()) == there
    assert builds() == 0


def test_the_command_that_builds_finds_the_card(tmp_path, cache):
    card = card_at(tmp_path / "card")
    with pytest.raises(EngineError) as told:
        open_engine(card)
    (command,) = re.findall("run: saccade (.*)", str(told.value))
    assert main(command.split()) == OK
    open_engine(card).close()
    assert build_command(load_card("stereo-s")).startswith("run: saccade engine build stereo-s --runtime")


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_without_onnx_no_graph_can_be_changed_and_that_is_said_first(verified, cache, monkeypatch, precision):
    there = sorted(cache.iterdir())
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=f"{precision} is made in the graph.*pip install onnx"):
        ensure(job(with_runtime(verified[0], precision=precision)))
    assert sorted(cache.iterdir()) == there


@pytest.mark.slow
def test_a_card_that_judges_otherwise_is_verified_anew_and_not_built(verified, tmp_path):
    card, _ = verified
    fields = yaml.safe_load((verified[0].beside("stand-in.yaml")).read_text())
    fields |= {"probe": {"max_disparity": 15}, "onnx": str(card.beside(card.onnx))}
    (tmp_path / "strict.yaml").write_text(yaml.safe_dump(fields))
    other = load_card(approved(tmp_path / "strict.yaml"))
    with pytest.raises(EngineError, match="not verified as it is now"):
        open_engine(other)
    assert ensure(job(other)).status == "verified"
    assert builds() == 0
    open_engine(other).close()


def test_an_engine_from_another_machine_is_verified_anew(verified, monkeypatch):
    for module in ("advice", "build"):
        monkeypatch.setattr(f"engines.store.{module}.machine", lambda: "another")
    with pytest.raises(EngineError, match="not verified as it is now"):
        open_engine(verified[0])


@pytest.mark.parametrize(
    ("fault", "words"),
    [("NotANumber", "NaN or infinity"), ("WrongShape", "wrong shape"), ("SegfaultsLoading", "crashed (SIGSEGV)")],
)
def test_what_does_not_answer_as_the_cpu_goes_to_quarantine(request, verified, fault, words):
    if "Segfaults" not in fault:
        request.getfixturevalue("no_child")
    card, folder = verified
    use(fault)
    with pytest.raises(Quarantined) as raised:
        verify(job(card))
    assert words in str(raised.value)
    assert "--again" in str(raised.value)
    assert json.loads((folder / "manifest.json").read_text())["status"] == "quarantined"
    use("Own")
    with pytest.raises(Quarantined, match="in quarantine"):
        open_engine(card)


@pytest.mark.parametrize(("fault", "words"), [("Refuses", "GridSample"), ("Segfaults", "crashed (SIGSEGV)")])
def test_a_build_that_would_only_fail_again_is_not_tried_again_unless_asked(tmp_path, cache, fault, words):
    card = card_at(tmp_path)
    use(fault)
    for _ in range(2):
        with pytest.raises(Quarantined) as raised:
            ensure(job(card))
        assert words in str(raised.value)
    assert builds() == 1
    with pytest.raises(Quarantined):
        ensure(job(card), again=True)
    assert builds() == 2
    assert [entry.manifest.status for entry in entries()] == ["quarantined"]
    assert not list(cache.glob("*/.*.part-*"))


@pytest.mark.parametrize("fault", ["Refuses", "Segfaults"])
def test_a_verified_engine_stays_where_no_other_can_be_built(verified, fault):
    card, _ = verified
    use(fault)
    with pytest.raises(EngineError, match="stays as it was"):
        ensure(job(card), again=True)
    use("Own")
    open_engine(card).close()


@pytest.mark.usefixtures("no_child")
def test_a_verified_engine_stays_where_the_next_one_computes_otherwise(verified):
    card, folder = verified
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    use("NotANumber")
    with pytest.raises(EngineError, match=r"did not pass: .*NaN.* stays as it was") as raised:
        ensure(job(card), again=True)
    assert not isinstance(raised.value, Quarantined)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    use("Own")
    open_engine(card).close()


@pytest.mark.usefixtures("no_child")
def test_a_better_engine_takes_the_place_of_the_verified_one_and_leaves_nothing_of_it(verified):
    card, folder = verified
    for name in ("graph-0-b.engine", "graph-0.engine"):
        manifest = ensure(job(card), again=True)
        assert [*manifest.files] == [path.name for path in folder.glob("*.engine")] == [name]
        open_engine(card).close()


@pytest.mark.usefixtures("no_child")
def test_an_engine_that_others_could_have_changed_is_not_kept(verified):
    card, folder = verified
    (folder / "graph-0.engine").chmod(0o666)
    assert [*ensure(job(card), again=True).files] == ["graph-0.engine"]
    open_engine(card).close()


def test_a_crash_tells_the_last_words(tmp_path, cache):
    use("Segfaults")
    with pytest.raises(Quarantined, match="about to touch address 0"):
        ensure(job(card_at(tmp_path)))


def test_a_compiler_that_never_ends_is_ended(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("OWN_COMPILER_GO", str(tmp_path / "never"))
    use("Waits")
    with pytest.raises(Quarantined, match="gave no engine in"):
        ensure(job(card_at(tmp_path), limit_s=1.0))
    assert not alive()


def test_a_missing_library_says_what_to_install(tmp_path, cache):
    use("Missing")
    with pytest.raises(EngineError, match="pip install own"):
        open_engine(card_at(tmp_path))


@pytest.mark.slow
def test_the_timing_cache_is_shared_by_builds_of_one_version(tmp_path, cache):
    for disparities in (18, 19):
        ensure(job(card_at(tmp_path / str(disparities), matcher(shape=(96, 160), disparities=disparities))))
    assert [path.read_bytes() for path in (cache / "timing").iterdir()] == [b"tt"]


def test_a_child_that_says_nothing_is_told_as_such(tmp_path, cache):
    with pytest.raises(EngineError, match="ended with code 1"):
        in_child({"calm": False, "task": "no such task"}, lambda what, share: None, threading.Event(), 60)
