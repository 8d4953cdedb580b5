"""What tests of TensorRT's compiler and engine share: small graphs, and a bench with everything fake around them."""

from pathlib import Path

import numpy as np
from device_stand_ins import fake_device
from fake_tensorrt import install
from onnx import TensorProto, helper, numpy_helper

from engines.compiler import BuildPlan, Shapes
from engines.options import TrtOptions
from engines.trt import TrtCompiler

MODELS = Path(__file__).resolve().parents[2] / "engines" / "models"
SHAPES = Shapes((1, 2, 8, 8), (1, 2, 16, 24), (1, 2, 64, 64))
PLAN = BuildPlan(shapes={"left": SHAPES, "right": SHAPES})


def stereo_plan():
    """Shapes for the shipped stereo network."""
    shapes = Shapes((1, 3, 64, 64), (1, 3, 64, 96), (1, 3, 480, 640))
    return BuildPlan(shapes={"left": shapes, "right": shapes})


def weighed(kind=TensorProto.FLOAT, size=("H", "W")):
    """left, right (1, 2, H, W) -> sum = 2 left + right."""
    pair = [helper.make_tensor_value_info(n, kind, [1, 2, *size]) for n in ("left", "right")]
    out = helper.make_tensor_value_info("sum", kind, [1, 2, *size])
    two = numpy_helper.from_array(np.array(2, helper.tensor_dtype_to_np_dtype(kind)), "two")
    nodes = [helper.make_node("Mul", ["left", "two"], ["twice"]), helper.make_node("Add", ["twice", "right"], ["sum"])]
    graph = helper.make_graph(nodes, "weighed", pair, [out], [two])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def pair(height=16, width=24, dtype=np.float32, seed=1):
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal((1, 2, height, width)).astype(dtype) for n in ("left", "right")}


def right(inputs):
    return 2 * inputs["left"] + inputs["right"]


class Bench:
    """A fake GPU, a fake TensorRT, and the compiler under test."""

    def __init__(self, monkeypatch, version, library="cuda-python", unified=False, **options):
        device, self.gpu = fake_device(monkeypatch, library, unified)
        self.trt = install(monkeypatch, self.gpu, version)
        self.world = self.trt._world
        self.compiler = TrtCompiler(TrtOptions(library=library, **options))
        self.device = device
        self.told = []

    def build(self, model=None, plan=PLAN, cache=None):
        return self.compiler.build(model or weighed(), plan, cache, lambda what, part: self.told.append((what, part)))

    def load(self, model=None, plan=PLAN):
        return self.compiler.load("weighed", self.build(model, plan), plan)

    def left_over(self):
        return [thing for thing in self.gpu.alive.values() if thing != "context"]
