"""int8 made in the graph: a quantiser and its inverse around what is computed in eight bits, ranges from samples.

ONNX Runtime's static quantiser, its calibration made once for all the graphs that a search tries.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QDQQuantizer,
    QuantType,
    create_calibrator,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from engines.engine import Array, EngineError
from engines.precision.graph import parsed, sort

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
FOLLOWING = ("Relu", "Add")
"""What runs in eight bits where it directly follows: its ranges are those of features. Not what counts columns or holds
disparities: there an addition in eight bits moved a stereo network's answer by a pixel."""
_PORTABLE = {
    "ActivationSymmetric": True, "QuantizeBias": False, "AddQDQPairToWeight": True, "DedicatedQDQPair": True,
    "OpTypesToExcludeOutputQuantization": [*WEIGHTED, "Add"],
}  # fmt: skip
"""TensorRT takes zero points of 0 only, biases in floating point, and wants pairs of their own in front of what it is
to fuse; OpenVINO and ONNX Runtime run this too."""


class Quantised:
    """A graph of which any part can be made int8. See `Lowering`.

    `samples`: inputs by name, out of which come the largest and smallest value of each tensor. `portable`: signed and
    symmetric for every backend; else unsigned with int32 biases, in which ONNX Runtime's CPU kernels are fastest.
    `wanted`: says by its name whether a node may be lowered, where the rule above is not to choose. EngineError without
    samples, or when there is nothing to quantise.
    """

    def __init__(
        self,
        model: bytes,
        samples: Iterable[Mapping[str, Array]],
        portable: bool = True,
        wanted: Callable[[str], bool] | None = None,
    ) -> None:
        self._portable = portable
        with tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "ready.onnx"
            self._graph = _ready(model, ready)
            able = (node.name for node in self._graph.graph.node if node.op_type in (*WEIGHTED, *FOLLOWING))
            self.nodes = tuple(chosen(self._graph.graph) if wanted is None else filter(wanted, able))
            if not self.nodes:
                raise EngineError(f"nothing in this graph can be made int8; expected one of {', '.join(WEIGHTED)}")
            self._ranges = _calibrated(ready, samples)

    def lowered(self, nodes: frozenset[str]) -> bytes:
        """See `Lowering.lowered`."""
        taken = [name for name in self.nodes if name in nodes]
        made = copy.deepcopy(self._graph)
        if taken:
            activations = QuantType.QInt8 if self._portable else QuantType.QUInt8
            options: dict[str, Any] = dict(_PORTABLE) if self._portable else {}
            quantizer = QDQQuantizer(
                made, True, False, QuantType.QInt8, activations, self._ranges, taken, [], [*WEIGHTED, *FOLLOWING],
                options,
            )  # fmt: skip
            try:
                quantizer.quantize_model()
            except Exception as error:
                raise EngineError(f"this graph cannot be made int8: {error}") from error
            made = quantizer.model.model
            sort(made.graph)
            del made.metadata_props[:]  # the graph's notes instead of the tool's
            made.metadata_props.extend(self._graph.metadata_props)
        return bytes(made.SerializeToString())

    def rehearsed(self, nodes: frozenset[str]) -> bytes:
        """See `Lowering.rehearsed`: the CPU has eight bits too."""
        return self.lowered(nodes)


def chosen(graph: onnx.GraphProto) -> Iterator[str]:
    """What can run in eight bits: operators with weights, and those of FOLLOWING that have nothing but such before."""
    weights = {initialiser.name for initialiser in graph.initializer}
    features: set[str] = set()
    for node in graph.node:
        weighted = node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in weights
        if weighted or (node.op_type in FOLLOWING and features.issuperset(node.input)):
            features.update(node.output)
            yield node.name


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    def __init__(self, samples: Iterable[Mapping[str, Array]]) -> None:
        self._samples, self.given = iter(samples), 0

    def get_next(self) -> dict[str, Array] | None:
        sample = next(self._samples, None)
        if sample is None:
            return None
        self.given += 1
        return dict(sample)


def _ready(model: bytes, path: Path) -> onnx.ModelProto:
    """The graph, its foldable parts folded, with the type of every tensor; written to `path` too."""
    graph, named = parsed(model), path.with_name("named.onnx")
    named.write_bytes(graph.SerializeToString())
    try:
        quant_pre_process(str(named), str(path), skip_symbolic_shape=True)
        ready = onnx.load(path)
    except Exception as error:
        raise EngineError(f"this graph cannot be made ready for int8: {error}") from error
    del ready.metadata_props[:]
    ready.metadata_props.extend(graph.metadata_props)
    return ready


def _calibrated(path: Path, samples: Iterable[Mapping[str, Array]]) -> Any:
    """The range of each tensor over all samples."""
    augmented = str(path.with_name("augmented.onnx"))
    calibrator = create_calibrator(
        path, [*WEIGHTED, *FOLLOWING], augmented_model_path=augmented, calibrate_method=CalibrationMethod.MinMax
    )
    reader = _Reader(samples)
    try:
        calibrator.collect_data(reader)
        return calibrator.compute_data()
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        if not reader.given:
            raise EngineError(
                "int8 needs samples to take its ranges from; give it a recording of the robot's"
            ) from error
        raise EngineError(f"the samples do not fit the graph: {error}") from error
