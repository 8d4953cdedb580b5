"""The only room that knows inference libraries: an `Engine` takes named arrays and returns named arrays."""

import os

# Left to itself, ONNX Runtime from 1.29 on has a thread that tells its maker which models a robot runs, and how often.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
