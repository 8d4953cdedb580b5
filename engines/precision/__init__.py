"""Fewer bits for a network: fp16 or int8 made in the ONNX graph itself, as far as its answers stay what they were.

TensorRT 11 has no other way, and every backend then runs the same numbers. Needs the package onnx; no GPU.
"""

from engines.precision.prepare import Kept, Prepared, Samples, Trial, prepare

__all__ = ["Kept", "Prepared", "Samples", "Trial", "prepare"]
