"""int8 of a network: QDQ around convolutions, calibrated on generated pairs (ONNX Runtime's static quantiser)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from saccade.geometry import F32
from saccade.types import U8

OPERATORS = ("Conv", "Relu", "Add")
PARTS = ("/features", "/aggregation", "/state", "/looked", "/refine", "/sure", "/rise/weights", "/finish/weights")
"""Starts of the names of nodes that are quantised. Not what counts columns or holds disparities: there an addition in
eight bits moved the answer by a pixel."""
EXACT = ("/aggregation/cost", "/aggregation/raw", "/aggregation/Add")
"""Within these parts, what stays in floating point: scores, whose differences choose the disparity."""

Pair = tuple[U8, U8]


class _Pairs(CalibrationDataReader):
    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._pairs: Iterator[Pair] = iter(pairs)

    def get_next(self) -> dict[str, F32] | None:
        pair = next(self._pairs, None)
        if pair is None:
            return None
        planes = [np.ascontiguousarray(p.transpose(2, 0, 1)[None], np.float32) for p in pair]
        return dict(zip(("left", "right"), planes, strict=True))


def quantise(path: Path, out: Path, pairs: Iterable[Pair]) -> None:
    """Write the int8 twin of a float network; `pairs` are (H, W, 3) RGB uint8, sizes multiples of 32.

    Weights are signed and have a scale for each channel; activations are unsigned.
    """
    notes = {p.key: p.value for p in onnx.load(path).metadata_props}
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
        names = [n.name for n in onnx.load(ready).graph.node if n.op_type in OPERATORS]
        chosen = [n for n in names if n.startswith(PARTS) and not n.startswith(EXACT)]
        quantize_static(
            str(ready), str(out), _Pairs(pairs), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(OPERATORS),
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, nodes_to_quantize=chosen,
            calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
    model = onnx.load(out)
    del model.metadata_props[:]
    for key, value in notes.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, out)
