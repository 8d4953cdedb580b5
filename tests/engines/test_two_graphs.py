"""Two graphs as one engine: the correlation between them, and the contract."""

import dataclasses
import threading

import numpy as np
import onnx
import pytest
from foreign_graphs import SHAPE, files

from engines.added import add
from engines.card import load_card
from engines.check import check_engine
from engines.engine import EngineError
from engines.open import open_unproven
from engines.two_graphs import group_correlation, unit_groups


def correlated(left, right, groups, disparities):
    """The definition, in numpy."""
    channels, height, width = left.shape
    volume = np.zeros((groups, disparities, height, width), np.float32)
    for d in range(min(disparities, width)):
        product = left[:, :, d:] * right[:, :, : width - d]
        volume[:, d, :, d:] = product.reshape(groups, channels // groups, height, width - d).sum(axis=1)
    return volume


@pytest.mark.parametrize(("groups", "disparities", "width"), [(4, 6, 20), (1, 3, 20), (8, 9, 7)])
def test_group_correlation_is_as_defined(groups, disparities, width):
    left, right = np.random.default_rng(0).standard_normal((2, 8, 5, width)).astype(np.float32)
    volume = np.full((groups, disparities, 5, width), np.nan, np.float32)
    group_correlation(left, right, volume)
    np.testing.assert_allclose(volume, correlated(left, right, groups, disparities), rtol=1e-5, atol=1e-5)


def test_unit_groups_have_length_one_and_nothing_stays_nothing():
    features = np.random.default_rng(0).standard_normal((1, 8, 5, 6)).astype(np.float32)
    features[:, :4, 0, 0] = 0
    lengths = np.square(unit_groups(features, 2)).reshape(2, 4, 5, 6).sum(axis=1)
    assert lengths[0, 0, 0] == 0
    lengths[0, 0, 0] = 1
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)


@pytest.fixture(params=["fast-foundation-stereo", "crestereo"])
def card(request, tmp_path):
    return add(request.param, files(tmp_path, request.param), "", tmp_path / "dir")


def pair(seed=1):
    return {
        n: np.random.default_rng(seed).uniform(0, 255, (1, 3, *SHAPE)).astype(np.float32) for n in ("left", "right")
    }


def test_both_keep_the_contract(card):
    check_engine(open_unproven(card), pair(), another=lambda: open_unproven(card))


def test_a_call_goes_through_both_before_the_next_begins(card):
    """What the first graph gave is read after it, by when another call must not have written over it."""
    engine = open_unproven(card)
    other, entered = None, threading.Event()

    def first(inputs, infer=engine._first.infer):
        nonlocal other
        if other is not None:
            entered.set()
            return infer(inputs)
        other = threading.Thread(target=engine.infer, args=(pair(2),))
        given = infer(inputs)
        other.start()
        assert not entered.wait(0.2), "a second call came in between the two graphs of the first"
        return given

    engine._first.infer = first
    with engine:
        engine.infer(pair(1))
        other.join(60)
        assert entered.is_set()


def test_a_volume_in_float16_is_made_for_a_second_graph_that_takes_one(tmp_path):
    """As the authors of Fast-FoundationStereo export it."""
    graphs = files(tmp_path, "fast-foundation-stereo")
    second = onnx.load(graphs[1])
    for node in second.graph.node:
        node.input[:] = ["exact" if name == "gwc_volume" else name for name in node.input]
    second.graph.node.insert(0, onnx.helper.make_node("Cast", ["gwc_volume"], ["exact"], to=onnx.TensorProto.FLOAT))
    volume = next(value for value in second.graph.input if value.name == "gwc_volume")
    volume.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    rough = [graphs[0], tmp_path / "rough.onnx"]
    rough[1].write_bytes(second.SerializeToString())
    answers = []
    for name, given in (("exact", graphs), ("rough", rough)):
        with open_unproven(add("fast-foundation-stereo", given, name, tmp_path / "dir")) as engine:
            answers.append(engine.infer(pair())["disp"].copy())
    np.testing.assert_allclose(answers[1], answers[0], atol=0.01)


def test_the_report_names_both_graphs(card):
    with open_unproven(card) as engine:
        assert card.onnx in engine.report["graphs"]
        assert card.second.onnx in engine.report["graphs"]


@pytest.mark.parametrize(("field", "words"), [("input", "no input 'absent'"), ("sha256", "sha256")])
def test_a_second_graph_that_does_not_fit_is_refused(card, field, words):
    second = dataclasses.replace(card.second, **{field: "absent"})
    with pytest.raises(EngineError, match=words):
        open_unproven(dataclasses.replace(card, second=second))


def test_features_that_are_not_there_are_named(tmp_path):
    card = add("fast-foundation-stereo", files(tmp_path, "fast-foundation-stereo"), "", tmp_path / "dir")
    card = dataclasses.replace(card, second=dataclasses.replace(card.second, left="features_left_05"))
    with open_unproven(card) as engine, pytest.raises(EngineError, match="did you mean 'features_left"):
        engine.infer(pair())


@pytest.mark.parametrize("shape", [(1, 16, 3, 4), (1, 8, 24, 40), (16, 24, 40)])
def test_features_that_are_not_alike_are_refused(tmp_path, monkeypatch, shape):
    """A card may name features of another level; the correlation would read what lies beyond them."""
    card = add("fast-foundation-stereo", files(tmp_path, "fast-foundation-stereo"), "", tmp_path / "dir")
    with open_unproven(card) as engine:
        found = engine.graphs[0].infer(pair())
        other = {**found, card.second.right: np.zeros(shape, np.float32)}
        monkeypatch.setattr(engine.graphs[0], "infer", lambda inputs: other)
        with pytest.raises(EngineError, match=f"{card.second.right!r} .*expected features of one shape"):
            engine.infer(pair())


def test_the_files_of_both_are_beside_the_card(card):
    read = load_card(card.path)
    assert read == card
    assert read.beside(read.onnx).is_file()
    assert read.beside(read.second.onnx).is_file()
