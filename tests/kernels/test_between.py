"""The step between two graphs, and float16, against NumPy: on the CPU through a C++ compiler and on a GPU."""

import numpy as np
import pytest
from device_stand_in import DeviceStandIn, uploaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.card import Card, Second
from engines.engine import EngineError
from engines.kernels.two_graphs import DeviceTwoGraphs
from engines.two_graphs import TwoGraphs

EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SHAPES = st.tuples(st.integers(2, 40), st.integers(2, 70))
SEEDS = st.integers(0, 2**32 - 1)


def handed_over(machine, step, first_gives, second_takes, inputs):
    """What both graphs are given on the device, and what on the CPU."""
    device, kernels = machine
    second_step = Second("second.onnx", "0" * 64, **step)
    card = Card("two", "stereo", "sgbm", "here", "MIT", second=second_step)
    takes = {name: ("float32", shape) for name, shape in second_takes.items()}
    with device.use(), device.stream("normal") as stream, uploaded(device, stream, inputs) as tensors:
        first = DeviceStandIn(device, dict.fromkeys(inputs, ("float32", (-1,) * 4)), first_gives)
        second = DeviceStandIn(device, takes, {"disparity": np.zeros((1, 1, 2, 2), np.float32)})
        TwoGraphs(first, second, card).infer(inputs)
        here = first.given, second.given
        with DeviceTwoGraphs(device, kernels, first, second, card) as twin:
            for _ in range(2):  # the second time into the buffers of the first
                twin.infer_on_device(tensors, stream)
    return (first.given, second.given), here


@EXAMPLES
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 9), SHAPES, SEEDS, st.booleans())
def test_features_are_correlated_as_on_the_cpu(machine, groups, each, disparities, shape, seed, normalise):
    rng = np.random.default_rng(seed)
    features = {n: rng.standard_normal((1, groups * each, *shape)).astype(np.float32) for n in ("left_04", "right_04")}
    features["left_04"][..., 0, 0] = 0  # a feature without length
    step = {"step": "group_correlation", "input": "volume", "left": "left_04", "right": "right_04"}
    takes = {"volume": (1, groups, disparities, *shape), "left_04": (-1,) * 4}
    pictures = {name: np.zeros((1, 3, 8, 8), np.float32) for name in ("left", "right")}
    there, here = handed_over(machine, {**step, "normalise": normalise}, features, takes, pictures)
    assert there[1].keys() == takes.keys()
    for name in takes:
        np.testing.assert_array_equal(there[1][name], here[1][name], strict=True)


def test_features_that_are_not_alike_are_refused_as_on_the_cpu(machine):
    device, kernels = machine
    step = Second("second.onnx", "0" * 64, "group_correlation", "volume", "left_04", "right_04")
    card = Card("two", "stereo", "sgbm", "here", "MIT", second=step)
    features = {"left_04": np.zeros((1, 8, 12, 20), np.float32), "right_04": np.zeros((1, 8, 6, 10), np.float32)}
    with device.use(), device.stream("normal") as stream:
        first = DeviceStandIn(device, {"left": ("float32", (-1,) * 4)}, features)
        takes = {"volume": ("float32", (1, 4, 6, 12, 20))}
        second = DeviceStandIn(device, takes, {"disparity": np.zeros((1, 1, 2, 2), np.float32)})
        with (
            DeviceTwoGraphs(device, kernels, first, second, card) as twin,
            pytest.raises(EngineError, match="expected features of one shape"),
        ):
            twin.infer_on_device({}, stream)


@EXAMPLES
@given(SHAPES, SEEDS)
def test_pictures_are_halved_as_on_the_cpu(machine, shape, seed):
    shape = tuple(2 * (n // 2) for n in shape)
    pictures = np.random.default_rng(seed).uniform(0, 255, (2, 1, 3, *shape)).astype(np.float32)
    inputs = dict(zip(("left", "right"), pictures, strict=True))
    takes = {"left": (-1,) * 4, "right": (-1,) * 4, "flow_init": (-1,) * 4}
    coarse = {"coarse": np.full((1, 2, 4, 4), 0.5, np.float32)}
    there, here = handed_over(machine, {"step": "coarse_first", "input": "flow_init"}, coarse, takes, inputs)
    for name in inputs:
        np.testing.assert_allclose(there[0][name], here[0][name], rtol=3e-7, strict=True)  # the order of four sums
    for name in takes:
        np.testing.assert_array_equal(there[1][name], here[1][name], strict=True)


@EXAMPLES
@given(st.lists(st.floats(width=32), min_size=1, max_size=50), SEEDS)
def test_half_precision_rounds_as_numpy_does(machine, values, seed):
    """Through `correlate` with ones: from float32 and from float16 to both."""
    words = np.random.default_rng(seed).integers(0, 2**16, 400, np.uint16).view(np.float16)
    with np.errstate(over="ignore", invalid="ignore"):
        middle = words.astype(np.float32) * np.float32(1 + 2**-11)  # half a step on, of normal numbers
        beside = np.nextafter(middle, np.float32([np.inf, -np.inf])[:, None]).ravel()
        tiny = words.astype(np.float32) * np.float32(2**-14)
        numbers = np.concatenate([np.array(values, np.float32), middle, beside, tiny])
        wanted = numbers.astype(np.float16) + np.float16(0)  # a sum, as the kernel's: -0 becomes 0
    np.testing.assert_array_equal(stored(machine, numbers, "float16"), wanted)
    np.testing.assert_array_equal(stored(machine, words, "float32"), words.astype(np.float32))


def stored(machine, numbers, dtype):
    device, kernels = machine
    kinds = {"float16": 1, "float32": 2}
    arrays = {"numbers": numbers, "ones": np.ones_like(numbers), "out": np.empty(len(numbers), dtype)}
    out = arrays["out"]
    with device.use(), device.stream("normal") as stream, uploaded(device, stream, arrays) as tensors:
        kind = kinds[numbers.dtype.name]
        arguments = (tensors["numbers"], tensors["ones"], kind, tensors["out"], kinds[dtype], 1, 1, 1, 1, len(numbers))
        kernels.launch("correlate", (len(numbers), 1, 1), arguments, stream)
        device.to_host(out, tensors["out"].address, stream)
        stream.synchronize()
    return out
