"""What LeRobot's server answers, read without torch: a pickled list of TimedAction, each with a tensor.

A tensor is pickled as a call of torch._utils._rebuild_tensor_v2 with a storage, offset, size and stride; the storage is
a file of torch's legacy format: five pickles, then the number of elements and the elements (torch/serialization.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saccade.geometry import F64
from vla_node.clients.base import Array
from vla_node.clients.pickled import BadPickle, Made, Name, loads

MODULES = ("lerobot.async_inference.helpers", "lerobot.scripts.server.helpers")
"""Where LeRobot has its messages: since 0.4, and before."""
_REBUILD, _STORAGE = "torch._utils._rebuild_tensor_v2", "torch.storage._load_from_bytes"
_ACTIONS = (*(f"{module}.TimedAction" for module in MODULES), _REBUILD, _STORAGE, "collections.OrderedDict")
_DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2"}
_STORAGES = tuple(f"torch.{name}" for name in _DTYPES)
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_MOST_NUMBERS = 1_000_000


def timed_actions(data: bytes) -> tuple[int, F64]:
    """The timestep of the first action, and all of them as rows (k, d) float64. BadPickle for anything else."""
    actions, end = loads(data, _ACTIONS)
    if end != len(data) or not isinstance(actions, list) or not actions:
        raise BadPickle("expected a list of actions and nothing after it")
    states = [_state(action) for action in actions]
    storages: dict[bytes, Array] = {}
    most = _MOST_NUMBERS // len(states)  # before any is made: a stride of 0 makes much of one number
    rows = [_tensor(state["action"], storages, most) for state in states]
    shapes = {row.shape for row in rows}
    if len(shapes) != 1 or rows[0].ndim != 1:
        raise BadPickle(f"actions of shapes {sorted(shapes)!s:.80}; expected one for all, (d,)")
    first = states[0]["timestep"]
    if [state["timestep"] for state in states] != list(range(first, first + len(states))):
        raise BadPickle("the actions' timesteps do not follow each other")
    return first, np.stack(rows).astype(np.float64)


def _state(action: Any) -> dict[str, Any]:
    if not isinstance(action, Made) or action.of.name != "TimedAction" or not isinstance(action.state, dict):
        raise BadPickle(f"an action is a {type(action).__name__}; expected a TimedAction")
    if type(action.state.get("timestep")) is not int or "action" not in action.state:
        raise BadPickle("a TimedAction without timestep or action")
    return action.state


def _tensor(made: Any, storages: dict[bytes, Array], most: int) -> Array:
    """The array of a tensor of at most so many numbers.

    Rows of one chunk each bring the whole chunk's storage along; it is read once.
    """
    if not isinstance(made, Made) or str(made.of) != _REBUILD or len(made.args) < 4:
        raise BadPickle("an action's numbers are no tensor")
    storage, offset, size, stride = made.args[:4]
    flat = _flat(storage, storages)
    for numbers in (size, stride, (offset,)):
        if not isinstance(numbers, tuple) or not all(type(n) is int and 0 <= n <= _MOST_NUMBERS for n in numbers):
            raise BadPickle("a tensor's offset, size and stride are no whole numbers from 0")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False))
    if len(size) != len(stride) or len(size) > 8 or math.prod(size) > most or 0 in size or last >= len(flat):
        raise BadPickle(
            f"a tensor of size {size} and stride {stride} does not lie within its {len(flat)} numbers, or is larger "
            f"than {most}"
        )
    strides = [step * flat.itemsize for step in stride]
    array: Array = np.lib.stride_tricks.as_strided(flat[offset:], size, strides, writeable=False).copy()
    return array


def _flat(storage: Any, storages: dict[bytes, Array]) -> Array:
    """The numbers of a storage."""
    if not isinstance(storage, Made) or str(storage.of) != _STORAGE or len(storage.args) != 1:
        raise BadPickle("a tensor's storage is none")
    data, at, parts = storage.args[0], 0, []
    if not isinstance(data, bytes):
        raise BadPickle("a storage's file is no bytes")
    if data in storages:
        return storages[data]
    for _ in range(5):
        value, at = loads(data, _STORAGES, at)
        parts.append(value)
    magic, protocol, system, described, keys = parts
    if (
        (magic, protocol) != (_MAGIC, _PROTOCOL)
        or not isinstance(system, dict)
        or system.get("little_endian") is not True
    ):
        raise BadPickle("a storage's file is not of torch's legacy format, little endian")
    is_one = isinstance(described, Made) and described.of.name == "persistent" and isinstance(described.args[0], tuple)
    if not is_one or len(described.args[0]) < 5 or not isinstance(described.args[0][1], Name):
        raise BadPickle("a storage's file describes none")
    _, kind, key, _, count = described.args[0][:5]
    dtype = np.dtype(_DTYPES[kind.name])
    if keys != [key] or type(count) is not int or data[at : at + 8] != count.to_bytes(8, "little", signed=True):
        raise BadPickle("a storage's file does not hold what it says")
    if not 0 < count <= _MOST_NUMBERS or len(data) - at - 8 != count * dtype.itemsize:
        raise BadPickle(f"a storage of {count} numbers in {len(data) - at - 8} bytes")
    flat = np.frombuffer(data, dtype, count, at + 8)
    if kind.name == "BFloat16Storage":  # the upper half of a float32
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    storages[data] = flat
    return flat
