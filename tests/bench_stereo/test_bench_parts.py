"""The parts of `saccade bench stereo` by themselves: taking turns, failing, summing up, pages, pictures."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import cv2
import made_sets as made
import numpy as np
import pytest

from engines.card import load_card
from engines.datasets import find_datasets
from engines.engine import EngineError
from engines.open import open_engine
from engines.stereo import StereoMatcher
from engines.store.key import models_of
from engines.store.shapes import plans
from saccade.cli.bench import methods as bench_methods
from saccade.cli.bench import pictures as bench_pictures
from saccade.cli.bench import stereo_measure, stereo_report
from saccade.cli.page import parts, with_part
from saccade.errors import ConfigError


@pytest.fixture
def scenes(tmp_path):
    for name in ("a", "b", "c"):
        made.eth3d(tmp_path / name)
    (data,), _ = find_datasets(tmp_path)
    return data


def methods(*cards):
    return bench_methods.methods_of(cards)[0]


def test_methods_take_turns_and_each_call_is_told(scenes):
    told = []
    entered = methods("sgbm", "bm", "sgbm-hh")
    stereo_measure.measure(scenes, entered, (1,), told.append)
    assert len(told) == stereo_measure.calls(scenes, entered, (1,)) == 3 * 3 * 2
    first = [told[6 * pair].split()[-1] for pair in range(3)]
    assert sorted(first) == ["bm", "sgbm", "sgbm-hh"], "one method always came first"


def test_every_method_is_timed_right_after_it_matched_the_same_pair(scenes, monkeypatch):
    told = []

    class Telling(StereoMatcher):
        def __call__(self, left, right, *more):
            told.append((id(self), left.tobytes()))
            return super().__call__(left, right, *more)

    def timed_ms(call):
        found = call()
        timed.append(told[-2:])
        return found, 1.0

    timed = []
    monkeypatch.setattr(bench_methods, "StereoMatcher", Telling)
    monkeypatch.setattr(bench_methods, "timed_ms", timed_ms)
    stereo_measure.measure(scenes, methods("sgbm", "bm"), (1,), lambda note: None)
    assert len(timed) == 3 * 2
    assert all(warm == then for warm, then in timed), "the caches held what another method had left there"


def test_opencv_gets_its_threads_back(scenes):
    before = cv2.getNumThreads()
    stereo_measure.measure(scenes, methods("sgbm"), (before + 1,), lambda note: None)
    assert cv2.getNumThreads() == before


def test_a_method_that_fails_on_a_pair_is_told_and_counts_nowhere(scenes, monkeypatch):
    calls = []

    class Moody(StereoMatcher):
        def __call__(self, left, right, *more):
            calls.append(1)
            if len(calls) == 3:  # made warm, then timed, then trembling: the first pair's last call but one
                raise EngineError("no luck")
            return super().__call__(left, right, *more)

    monkeypatch.setattr(bench_methods, "StereoMatcher", Moody)
    outcome = stereo_measure.measure(scenes, methods("sgbm"), (1,), lambda note: None)
    figures = stereo_report.summarised(outcome)["sgbm"]
    assert figures["pairs"] == 2
    assert figures["failed"] == {"a": "EngineError: no luck"}
    document = stereo_report.document_of([outcome], {"note": ""})
    (data,) = document["sets"].values()
    assert list(stereo_report.failures(data)) == [("a, sgbm", "EngineError: no luck")]


def test_a_method_that_always_fails_has_a_row_of_dashes(scenes, monkeypatch):
    def fails(self, left, right):
        raise EngineError("never")

    monkeypatch.setattr(StereoMatcher, "__call__", fails)
    outcome = stereo_measure.measure(scenes, methods("sgbm"), (1,), lambda note: None)
    document = stereo_report.document_of([outcome], {"note": "while it rained"})
    document["sets"][scenes.name]["broken"]["d"] = "gone"
    page = stereo_report.markdown(document, {})
    assert "| sgbm | – |" in page
    assert "while it rained" in page
    assert "3 pairs, 1 that could not be read" in page
    assert stereo_report.terminal(scenes.name, document["sets"][scenes.name])


def test_shipped_cards_that_cannot_run_here_are_left_out_and_asked_for_ones_refused(monkeypatch):
    monkeypatch.delattr(cv2, "ximgproc", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    found, left_out = bench_methods.methods_of(None)
    assert {"bm", "sgbm", "sgbm-full", "sgbm-5way", "sgbm-hh", "sgbm-hh4"} <= {method.name for method in found}
    assert "contrib" in left_out["sgbm-full, wls"]
    assert "saccade[openvino]" in left_out["stereo-s@openvino:bf16"]
    assert [m.classical for m in found] == sorted((m.classical for m in found), reverse=True)
    with pytest.raises(EngineError, match=r"saccade\[openvino\]"):
        methods("stereo-s@openvino")


@pytest.mark.slow
def test_a_compiled_engine_is_built_once_and_gets_the_threads_it_is_timed_on(scenes, tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="OpenVINO is not installed (an extra)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    entered = methods("stereo-s", "stereo-s@openvino")
    assert [method.name for method in entered] == ["stereo-s", "stereo-s@openvino:fp32"]
    assert [method.card.runtime for method in entered] == ["onnxruntime", "openvino"]
    (manifest,) = (tmp_path / "cache").rglob("manifest.json")
    built = json.loads(manifest.read_text())["built"]
    methods("stereo-s@openvino")
    assert json.loads(manifest.read_text())["built"] == built
    asked = []
    monkeypatch.setattr(bench_methods, "open_engine", lambda card: asked.append(card) or open_engine(card))
    records = stereo_measure.measure(scenes, entered, (1, 2), lambda note: None).records
    assert [card.openvino.threads for card in asked] == [card.ort.intra_threads for card in asked] == [1, 2, 1, 2]
    for found in records.values():
        one, other = (found[method.name]["scores"]["dense_all"]["epe"] for method in entered)
        assert one == pytest.approx(other, abs=0.01)
        assert set(found["stereo-s@openvino:fp32"]["ms"]) == {"1", "2"}


@pytest.mark.parametrize(("given", "name", "precision"), [
    ("stereo-s@openvino", "stereo-s@openvino:fp32", "fp32"),
    ("stereo-s@tensorrt:fp16", "stereo-s@tensorrt:fp16", "fp16"),
])  # fmt: skip
def test_a_card_is_asked_for_with_what_compiles_it(given, name, precision):
    assert bench_methods._asked(given)[0] == name
    assert bench_methods._asked(given)[1].build.precision == precision


def test_threads_may_wait_awake(monkeypatch):
    opened = []
    monkeypatch.setattr(bench_methods, "open_engine", lambda card: opened.append(card) or open_engine(card))
    (method,) = methods("stereo-s@onnxruntime:spinning")
    assert (method.name, method.card.ort.spinning) == ("stereo-s@onnxruntime:spinning", True)
    with ExitStack() as stack:
        bench_methods.Entrant(method, (2,), stack)
    assert (opened[-1].ort.spinning, opened[-1].ort.intra_threads) == (True, 2)
    with pytest.raises(ConfigError, match="spinning"):
        methods("sgbm@onnxruntime:spinning")


def test_a_compiled_engine_is_for_the_largest_picture_too(scenes):
    height, width = stereo_measure.largest([scenes])
    assert (height, width) == scenes.pairs[0].read().left.shape[:2]
    usual, wide, same = (
        plans(card, models_of(card))[0].shapes["left"].largest
        for card in (
            bench_methods._asked("stereo-s@openvino", size)[1] for size in ((0, 0), (400, 1300), (height, width))
        )
    )
    assert usual == same == (1, 3, 736, 1280)
    assert wide == (1, 3, 736, 1312)


def test_an_at_sign_in_a_path_is_part_of_it_and_a_precision_that_is_none_is_told(tmp_path):
    mine = tmp_path / "me@home.yaml"
    mine.write_text(Path(load_card("sgbm").path).read_text())
    assert bench_methods._asked(str(mine))[1].path == str(mine)
    with pytest.raises(ConfigError, match="precision"):
        bench_methods._asked("stereo-s@openvino:int4")
    with pytest.raises(ConfigError, match="backend sgbm has none"):
        bench_methods._asked("sgbm@openvino")


def test_two_cards_of_one_name_are_told_apart(tmp_path):
    other = tmp_path / "mine.yaml"
    other.write_text(Path(load_card("sgbm").path).read_text())
    assert [method.name for method in methods("sgbm", str(other))] == ["sgbm", str(other)]


def test_only_opencv_at_full_resolution_is_given_another_range():
    ranges = {m.name: m.searching(192).card.max_disparity for m in methods("sgbm", "sgbm-full", "bm")}
    assert ranges == {"sgbm": 64, "sgbm-full": 192, "bm": 192}


def test_noise_is_the_same_every_time_and_differs_between_draws(scenes):
    pair = scenes.pairs[0].read()
    first, second, again = (stereo_measure._noisy(pair, 0, draw) for draw in (1, 2, 1))
    assert np.array_equal(first, again)
    apart = first[0].astype(float) - second[0]
    assert np.std(apart) == pytest.approx(np.sqrt(2) * stereo_measure.NOISE_GREY, rel=0.1)


def test_a_picture_too_narrow_for_opencv_has_no_yardstick(scenes):
    outcome = stereo_measure.measure(scenes, methods("sgbm-full"), (1,), lambda note: None)
    assert np.isnan(stereo_report.summarised(outcome)["sgbm-full"]["to_bare_3way"]["1"])


def test_means_leave_out_what_is_no_number_and_json_has_null():
    means = stereo_report._means(
        [{"epe": 1.0, "bad": np.nan, "jitter": 4.0}, {"epe": 3.0, "bad": np.nan, "jitter": np.nan}]
    )
    assert means == pytest.approx({"epe": 2.0, "bad": np.nan, "jitter": 4.0}, nan_ok=True)
    assert json.loads(stereo_report.as_json({"a": np.nan, "b": [1.5, (2,)]})) == {"a": None, "b": [1.5, [2]]}


def test_a_part_of_a_page_is_replaced_and_the_rest_stays():
    page = with_part("# Title\n\nprose\n", "one", "first")
    page = with_part(page, "two", "second")
    assert page.startswith("# Title\n\nprose\n")
    changed = with_part(page, "one", "third")
    assert "first" not in changed
    assert changed.replace("third", "first") == page
    assert [part.split("\n")[1] for part in parts(changed)] == ["third", "second"]
    assert with_part("", "one", "first").startswith("<!-- one: begin")


def test_a_part_without_an_end_takes_nothing_of_the_page_with_it():
    page = with_part("# Title", "one", "first").replace("<!-- one: end -->", "") + "prose\n"
    with pytest.raises(ConfigError, match="without '<!-- one: end -->'"):
        with_part(page, "one", "second")


def test_pictures_show_errors_in_their_class_and_fit_into_their_bytes(tmp_path):
    pair = find_datasets(made.eth3d(tmp_path / "scene"))[0][0].pairs[0].read()
    good, bad = np.nan_to_num(pair.truth, nan=1), np.nan_to_num(pair.truth, nan=1) + 3.5
    bad[:, :10] = np.nan
    assert (bench_pictures._error(good, pair.truth)[1:] == bench_pictures._CLASSES[0]).all()
    wrong = bench_pictures._error(bad, pair.truth)
    assert (wrong[1:, 10:] == bench_pictures._CLASSES[4]).all()
    assert (wrong[1:, :10] == bench_pictures._HOLE).all()
    assert (wrong[0] == bench_pictures._UNKNOWN).all()
    picture = bench_pictures.overview(pair, [("ours", good), ("theirs", bad)])
    bench_pictures.write_jpeg(tmp_path / "out" / "a.jpg", picture, 40_000)
    assert (tmp_path / "out" / "a.jpg").stat().st_size <= 40_000
    height, width = cv2.imread(str(tmp_path / "out" / "a.jpg")).shape[:2]
    assert width / height == pytest.approx(picture.shape[1] / picture.shape[0], rel=0.01)
    bench_pictures.write_jpeg(tmp_path / "out" / "b.jpg", picture)
    assert cv2.imread(str(tmp_path / "out" / "b.jpg")).shape == picture.shape
