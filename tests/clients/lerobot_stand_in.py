"""What LeRobot's server and torch make of messages, without them: modules under their names, and a server.

The server unpickles with Python's own pickle, as upstream's does, so that what our client writes is tried for real.
"""

from __future__ import annotations

import collections
import io
import pickle
import struct
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

python_reads = pickle.loads
"""What upstream's server does with what it is sent, and what ours never does."""
HELPERS = "lerobot.async_inference.helpers"


@dataclass
class TimedAction:
    timestamp: float
    timestep: int
    action: Any


@dataclass
class TimedObservation:
    timestamp: float
    timestep: int
    observation: dict[str, Any]
    must_go: bool = False


@dataclass
class RemotePolicyConfig:
    policy_type: str
    pretrained_name_or_path: str
    lerobot_features: dict[str, Any]
    actions_per_chunk: int
    device: str = "cpu"
    rename_map: dict[str, str] = field(default_factory=dict)


def _rebuild_tensor_v2(*args: Any) -> None:
    """torch's, of which only the name is pickled."""


def _load_from_bytes(data: bytes) -> None:
    """torch's, of which only the name is pickled."""


@contextmanager
def names() -> Iterator[None]:
    """Has Python's pickle find these under the names they have in LeRobot and torch."""
    owners: dict[str, list[Any]] = {
        "lerobot": [], "lerobot.async_inference": [], HELPERS: [TimedAction, TimedObservation, RemotePolicyConfig],
        "torch": [type(name, (), {}) for name in ("FloatStorage", "DoubleStorage", "HalfStorage", "BFloat16Storage")],
        "torch._utils": [_rebuild_tensor_v2], "torch.storage": [_load_from_bytes],
    }  # fmt: skip
    before = {name: sys.modules.get(name) for name in owners}
    try:
        for name, members in owners.items():
            module = sys.modules[name] = types.ModuleType(name)
            for member in members:
                member.__module__ = name
                setattr(module, member.__name__, member)
        yield
    finally:
        for name, module_before in before.items():
            sys.modules.pop(name)
            if module_before is not None:
                sys.modules[name] = module_before


class Tensor:
    """Pickled as a torch tensor is, by its storage's class, number of elements, bytes, offset, size and stride."""

    def __init__(self, kind: str, data: bytes, count: int, offset: int, size: Any, stride: Any) -> None:
        self._args = (kind, data, count, offset, size, stride)

    def __reduce__(self) -> tuple[Any, ...]:
        kind, data, count, offset, size, stride = self._args
        storage = _Storage(legacy_file(kind, data, count))
        return _rebuild_tensor_v2, (storage, offset, size, stride, False, collections.OrderedDict())


class _Storage:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return _load_from_bytes, (self._data,)


def tensor_of(row: Any, offset: int = 0) -> Tensor:
    """A float32 row of a larger storage."""
    row = np.asarray(row, np.float32)
    data = np.concatenate([np.zeros(offset, np.float32), row]).tobytes()
    return Tensor("FloatStorage", data, offset + len(row), offset, (len(row),), (1,))


def legacy_file(kind: str, data: bytes, count: int) -> bytes:
    """torch.save of a storage in the legacy format."""
    out = io.BytesIO()
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for value in (0x1950A86A20F9469CFC6C, 1001, system):
        pickle.dump(value, out, 2)

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            described = ("storage", getattr(sys.modules["torch"], kind), "94", "cpu", count, None)
            return described if value is out else None

    Pickler(out, 2).dump(out)
    pickle.dump(["94"], out, 2)
    return out.getvalue() + struct.pack("<q", count) + data


def answer(timestep: int, rows: Any) -> bytes:
    """A pickled chunk as upstream's server sends it."""
    with names():
        return pickle.dumps([
            TimedAction(1.0, timestep + i, tensor_of(row, offset=3 * i)) for i, row in enumerate(rows)
        ])  # fmt: skip


class Server:
    """Speaks transport.AsyncInference. `say(observation)` gives the pickle to answer."""

    def __init__(self, port: int = 0) -> None:
        self.configs: list[RemotePolicyConfig] = []
        self.observations: list[TimedObservation] = []
        self.resets = 0
        self.load: Callable[[], object] = lambda: None
        self.say: Callable[[TimedObservation], bytes] = lambda seen: answer(seen.timestep, state_rows(seen))
        self.freeze = threading.Event()
        self.freeze.set()
        methods = {
            "Ready": grpc.unary_unary_rpc_method_handler(self._ready),
            "SendPolicyInstructions": grpc.unary_unary_rpc_method_handler(self._instruct),
            "SendObservations": grpc.stream_unary_rpc_method_handler(self._observe),
            "GetActions": grpc.unary_unary_rpc_method_handler(self._act),
        }
        options = [("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)]
        self._server = grpc.server(ThreadPoolExecutor(8), options=options)
        service = grpc.method_handlers_generic_handler("transport.AsyncInference", methods)
        self._server.add_generic_rpc_handlers((service,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def close(self) -> None:
        self.freeze.set()
        self._server.stop(0).wait()

    def _ready(self, request: bytes, context: Any) -> bytes:
        assert request == b""
        self.resets += 1
        return b""

    def _instruct(self, request: bytes, context: Any) -> bytes:
        self.load()
        with names():
            self.configs.append(python_reads(_field(request, 1)))
        return b""

    def _observe(self, requests: Iterator[bytes], context: Any) -> bytes:
        assert self.freeze.wait(30)
        parts = [(request[1], _field(request[2:], 2)) for request in requests]
        assert [state for state, _ in parts] == ([1] + [2] * (len(parts) - 2) + [3] if len(parts) > 1 else [3])
        with names():
            self.observations.append(python_reads(b"".join(data for _, data in parts)))
        return b""

    def _act(self, request: bytes, context: Any) -> bytes:
        if not self.configs:
            return b""
        data = self.say(self.observations[-1])
        return b"\x0a" + _varint(len(data)) + data if data else b""


def state_rows(seen: TimedObservation) -> Any:
    """Three rows of the motors that were shown."""
    motors = [value for value in seen.observation.values() if isinstance(value, float)]
    return [motors] * 3


def _field(message: bytes, number: int) -> bytes:
    assert message[0] == number << 3 | 2
    size = at = 0
    while True:
        at += 1
        size |= (message[at] & 127) << 7 * (at - 1)
        if message[at] < 128:
            break
    assert len(message) == at + 1 + size
    return message[at + 1 :]


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])
